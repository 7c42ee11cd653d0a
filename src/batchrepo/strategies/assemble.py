"""Functions from rows to dicts, generated for each plan: a dict display is the fastest way that Python has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Assembler = Callable[[Sequence[Sequence[Any]]], list[dict[str, Any]]]
"""Makes one dict for each row."""


@dataclass(frozen=True)
class Nested:
    """A dict inside of the dict, whose values are in the same row.

    Attributes:
        names: the keys.
        positions: for each key the place of its value in a row.
        present: the place of a value that is None where there is no such dict.
        missing: called with the row then; what it gives takes the place. None for None.
    """

    names: Sequence[str]
    positions: Sequence[int]
    present: int
    missing: Callable[[Sequence[Any]], Any] | None = None


def make_assembler(names: Sequence[str], positions: Sequence[int | Nested | None]) -> Assembler:
    """An assembler for dicts with these keys in this order.

    Args:
        names: the keys.
        positions: for each key the place of its value in a row, what is made of the row for it, or None for a value
            that is set later (the key is there from the start, so that the order of keys is that of the view).
    """
    called: dict[str, Any] = {}
    # Only repr()s of strings and integers go into the source.
    source = f"lambda rows: [{_display(names, positions, called)} for r in rows]"
    return eval(source, called)  # type: ignore[no-any-return]  # noqa: S307


def _display(names: Sequence[str], positions: Sequence[int | Nested | None], called: dict[str, Any]) -> str:
    values = (_value(position, called) for position in positions)
    return f"{{{', '.join(f'{name!r}: {value}' for name, value in zip(names, values, strict=True))}}}"


def _value(position: int | Nested | None, called: dict[str, Any]) -> str:
    if position is None:
        return "None"
    if not isinstance(position, Nested):
        return f"r[{position:d}]"
    other = "None"
    if position.missing is not None:
        name = f"missing_{len(called):d}"
        called[name] = position.missing
        other = f"{name}(r)"
    inside = _display(position.names, position.positions, called)
    return f"({inside} if r[{position.present:d}] is not None else {other})"
