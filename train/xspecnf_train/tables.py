"""Settings out of a TOML or JSON table into a dataclass, every name and type checked first."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from xspecnf.errors import InputError

Settings = TypeVar("Settings")


def build(kind: type[Settings], section: str, table: Mapping[str, Any], **filled: Any) -> Settings:
    """The dataclass `kind` from the settings of `table`, lists as tuples, and those that are `filled` in.

    section: the table's name, for messages. Raises InputError for a setting that is unknown, missing or of another
    type, and for values that `kind` itself refuses.
    """
    hints = get_type_hints(kind)
    known = {f.name: f for f in fields(kind) if f.name not in filled}  # pyright: ignore[reportArgumentType]
    for name, value in table.items():
        if name not in known:
            raise InputError(f"{section} has no setting {name}; it has {', '.join(known)}")
        if not _fits(value, hints[name]):
            raise InputError(f"{section}: {name} = {value!r} should be {_words(hints[name])}")
    required = (name for name, f in known.items() if f.default is MISSING and f.default_factory is MISSING)
    missing = [name for name in required if name not in table]
    if missing:
        raise InputError(f"{section} lacks {', '.join(missing)}")
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}
    try:
        return kind(**filled, **given)
    except ValueError as error:
        raise InputError(f"{section}: {error}") from error


def _fits(value: Any, hint: Any) -> bool:
    """Whether a TOML value is of the annotated type; whole numbers are also floats, truth values are no numbers."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return any(_fits(value, each) for each in arguments)
    if origin is tuple:
        pairs = zip(value, arguments, strict=False) if isinstance(value, list | tuple) else ()
        return isinstance(value, list | tuple) and len(value) == len(arguments) and all(_fits(v, h) for v, h in pairs)
    if origin is Sequence:
        return isinstance(value, list | tuple) and all(_fits(each, arguments[0]) for each in value)
    if origin is Mapping:
        return isinstance(value, dict) and all(_fits(each, arguments[1]) for each in value.values())
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, int | float) if hint is float else isinstance(value, hint)


def _words(hint: Any) -> str:
    """A type as a user reads it."""
    plain = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "absent"}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return " or ".join(_words(each) for each in arguments)
    if origin is tuple:
        return f"a list of {len(arguments)} numbers"
    if origin is Sequence:
        return "a list of whole numbers" if arguments == (int,) else "a list"
    return plain.get(hint, "a table")
