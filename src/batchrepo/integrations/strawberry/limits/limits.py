"""Limits: how much one operation may ask for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, GraphQLSyntaxError

from batchrepo.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchrepo.integrations.strawberry.limits.costs import Cost

CODE = "LIMIT_EXCEEDED"
"""The code of errors about limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one operation may ask for; None for no limit. Checked before anything is validated or read.

    What fragments select counts wherever they are spread. Fields that ``@skip`` and ``@include`` leave out give
    no rows, and count otherwise.

    Attributes:
        depth: levels of fields below each other. ``artists { edges { node { name } } }`` has four. What
            introspection selects is not counted.
        breadth: fields that are selected of one object.
        fields: fields in all.
        aliases: fields with an alias, in all.
        rows: rows that the answer may have: sizes of pages, times those of the pages around them.
        list_rows: how many rows a list without pages counts for; a ``top`` counts for its own number.
        writes: rows that mutations may write: one for each field, or as many as there are items in its lists.
        tokens: words and signs of the document, and of comments as many.
        characters: of the document.
        introspection: whether clients may read the schema.

    Raises:
        DeclarationError: a limit is no whole number, or less than 1.
    """

    depth: int | None = 15
    breadth: int | None = 100
    fields: int | None = 1_000
    aliases: int | None = 50
    rows: int | None = 100_000
    list_rows: int = 10
    writes: int | None = 1_000
    tokens: int | None = 5_000
    characters: int | None = 50_000
    introspection: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "introspection" or (value is None and field.name != "list_rows"):
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise DeclarationError(
                    f"Limits({field.name}=...) expects a whole number, 1 or more"
                    f"{', or None for no limit' if field.name != 'list_rows' else ''}; got {value!r:.100}."
                )

    @property
    def parse_options(self) -> dict[str, Any]:
        """What the parser is told."""
        found = {
            "max_lexical_tokens": self.tokens,
            "max_comments": self.tokens,
            "max_source_length": self.characters,
        }
        return {name: value for name, value in found.items() if value is not None}

    def refuse(self, cost: Cost) -> Iterator[GraphQLError]:
        """What is too much of an operation, or of a fragment."""
        fewer = "Ask for fewer fields"
        for name, value, what, fix in (
            ("depth", cost.depth, "fields are selected {value} levels deep", SPLIT),
            ("breadth", cost.widest, "{value} fields of one object are selected", fewer),
            ("fields", cost.fields, "{value} fields are selected", fewer),
            (
                "aliases",
                cost.aliases,
                "{value} fields have an alias",
                "Ask for many rows by a list or a connection",
            ),
        ):
            allowed = getattr(self, name)
            if allowed is not None and value > allowed:
                yield exceeded(name, value, allowed, what, fix)


SPLIT = "Ask for less, and for the rest by another query"
"""What helps against most limits."""

MOST = 10**9
"""Numbers of what is asked for are not counted further."""


def exceeded(name: str, value: int | None, allowed: int, what: str, fix: str) -> GraphQLError:
    """The error about one limit, with its numbers for programs in ``extensions``.

    Args:
        name: of the limit.
        value: what is asked for, or None where it was not counted to its end.
        allowed: the limit.
        what: is asked for, with a place for the value.
        fix: how to ask for less.
    """
    shown = "" if value is None else f"{value:,}" if value < MOST else f"{MOST:,} or more"
    sentence = what.format(value=shown)
    return GraphQLError(
        f"{sentence[0].upper()}{sentence[1:]}; at most {allowed:,} may be. {fix}.",
        extensions={
            "code": CODE,
            "limit": name,
            "allowed": allowed,
            **({} if value is None else {"value": value}),
        },
    )


def of_text(error: GraphQLError, limits: Limits) -> GraphQLError | None:
    """The error about a document's length, where that is what the parser has refused; else None."""
    if not isinstance(error, GraphQLSyntaxError):
        return None
    if "Document is nested too deeply" in error.message and limits.depth is not None:
        return exceeded("depth", None, limits.depth, "fields are selected too deeply to be parsed", SPLIT)
    for name, sign in (("tokens", " tokens."), ("tokens", " comments."), ("characters", " code points.")):
        allowed = getattr(limits, name)
        if allowed is not None and f"contains more than {allowed}{sign}" in error.message:
            what = f"the document has more than {allowed:,}{sign.replace('code points', 'characters')[:-1]}"
            return exceeded(name, None, allowed, what, SPLIT)
    return None
