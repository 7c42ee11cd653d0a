"""Answers as they are compared."""

from __future__ import annotations

from typing import Any


def in_any_order(value: Any) -> Any:
    """Lists that a relation does not order, or not to the last, are compared as sets."""
    if isinstance(value, list):
        return sorted(map(in_any_order, value), key=repr)
    if isinstance(value, dict):
        return {name: in_any_order(one) for name, one in value.items()}
    return value
