"""Backends run a bundle's three graphs; everything else of the runtime is plain numpy."""

from xspecnf.backends.base import Backend

__all__ = ["Backend"]
