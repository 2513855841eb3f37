"""From a training run to a model bundle: graphs, their verification, the manifest and the model card."""

from xspecnf_export.bundle import export

__all__ = ["export"]
