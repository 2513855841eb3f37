"""What a command reads, so that it is not written over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xspecnf_cli.losses import Input, Target, refuse_losses


@dataclass(frozen=True)
class Reading:
    """The files of `infer`, `fit` or `report`.

    Attributes:
        observations: the spectra, as the verb has them.
        lists: the files that named them.
        model: a bundle, by name or folder.
        rmf, arf, background: as the options have them.
    """

    observations: Sequence[Path]
    lists: Iterable[Path] = ()
    model: str = ""
    rmf: str | Path | None = None
    arf: str | Path | None = None
    background: str | Path | None = None

    def spare(self, targets: Sequence[Target]) -> None:
        """Wrong usage, exit code 2, where writing the targets would lose data; else make their folders."""
        refuse_losses(targets, self._named(), self._in_headers())

    def _named(self) -> Iterator[Input]:
        from xspecnf.rows import plain

        yield from ((plain(path), "the spectrum") for path in self.observations)
        yield from ((path, "the list of spectra") for path in self.lists)
        options = {"the RMF": self.rmf, "the ARF": self.arf, "the background": self.background}
        yield from ((plain(path), what) for what, path in options.items() if path is not None)
        yield from bundle_files(self.model)

    def _in_headers(self) -> Iterator[Input]:
        """What each spectrum's header names, or is found beside it."""
        from xspecnf.companions import TITLES, companions
        from xspecnf.errors import InputError
        from xspecnf.rows import plain

        for path in self.observations:
            with suppress(InputError, OSError):  # which the verb says when its turn comes
                found = companions(path, self.rmf, self.arf, self.background)
                files = ((title, getattr(found, kind)) for kind, title in TITLES.items())
                yield from ((plain(file), f"the {title} of {path}:") for title, file in files if file)


def bundle_files(model: str | Path) -> Iterator[Input]:
    """The files of a bundle, none where it is not found."""
    from xspecnf.bundle import find_bundle
    from xspecnf.errors import BundleError

    with suppress(BundleError):
        yield from ((file, f"a file of the model {model}:") for file in find_bundle(model).iterdir())
