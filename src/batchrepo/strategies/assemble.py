"""Functions from rows to dicts, generated for each plan: a dict display is the fastest way that Python has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Assembler = Callable[[Sequence[Sequence[Any]]], list[dict[str, Any]]]
"""Makes one dict for each row."""


def make_assembler(names: Sequence[str], positions: Sequence[int | None]) -> Assembler:
    """An assembler for dicts with these keys in this order.

    Args:
        names: the keys.
        positions: for each key the place of its value in a row, or None for a value that is set later
            (the key is there from the start, so that the order of keys is that of the view).
    """
    items = ", ".join(
        f"{name!r}: {'None' if position is None else f'r[{position:d}]'}"
        for name, position in zip(names, positions, strict=True)
    )
    # Only repr()s of strings and integers go into the source.
    return eval(f"lambda rows: [{{{items}}} for r in rows]")  # type: ignore[no-any-return]  # noqa: S307
