"""The request, and how every schema is asked: the same document, parsed and validated once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from strawberry.extensions import ParserCache, SchemaExtension, ValidationCache

FIELDS = """
    id title body createdAt
    author { id name }
    tags { id name }
    latestComments { id body createdAt author { id name } }
"""

QUERY = f"{{ posts(first: 50) {{ edges {{ node {{ {FIELDS} }} }} }} }}"


class Parsed(ParserCache):
    """Strawberry's cache of parsed documents."""


class Validated(ValidationCache):
    """Strawberry's cache of valid documents."""


CACHES: tuple[type[SchemaExtension], ...] = (Parsed, Validated)
"""What batchrepo brings, for everybody else."""


async def ask(schema: strawberry.Schema, context: Any = None, query: str = QUERY) -> dict[str, Any]:
    """The data of the answer.

    Raises:
        AssertionError: there were errors.
    """
    result = await schema.execute(query, context_value=context)
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data


def plain(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The posts, whatever is around them and around their comments."""
    return [
        _moment({**post, "latestComments": [_moment(one) for one in _nodes(post["latestComments"])]})
        for post in _nodes(data["posts"])
    ]


def _nodes(found: Any) -> list[dict[str, Any]]:
    """Rows of a list, or of a connection."""
    return [edge["node"] for edge in found["edges"]] if isinstance(found, dict) else found


def _moment(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose moment is equal where it is written differently."""
    return {**row, "createdAt": datetime.fromisoformat(row["createdAt"])}
