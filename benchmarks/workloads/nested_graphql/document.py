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
    """The posts, whatever is around them."""
    posts = data["posts"]
    found = [edge["node"] for edge in posts["edges"]] if isinstance(posts, dict) else posts
    return [_moments(post) for post in found]


def _moments(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose moments are equal where they are written differently."""
    comments = [_moments(comment) for comment in row.get("latestComments", ())]
    made = {**row, "createdAt": datetime.fromisoformat(row["createdAt"])}
    return {**made, "latestComments": comments} if "latestComments" in row else made
