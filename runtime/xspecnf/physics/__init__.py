"""The forward model: absorption, disc, Comptonisation and their composition, written once for numpy and torch."""

from xspecnf.physics.model import MODEL_EDGES, expected_counts, photons

__all__ = ["MODEL_EDGES", "expected_counts", "photons"]
