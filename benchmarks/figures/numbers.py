"""Numbers as readers need them: no more digits than the noise leaves."""

from __future__ import annotations


def milliseconds(value: float) -> str:
    """A time: three digits, and whole numbers of a thousand and more."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:,.0f}"


def ratio(value: float) -> str:
    """How many times something else."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def dashed(value: float | None, digits: int = 2) -> str:
    """A number that may not be there."""
    return "-" if value is None else f"{value:,.{digits}f}"
