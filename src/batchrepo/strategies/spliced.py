"""Cursors inside of texts: a database writes the order's values between marks, and they are replaced by cursors.

A mark is a character that JSON does not have, so that no value of a user's is taken for one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from batchrepo.sql.json.order_texts import order_text_of
from batchrepo.sql.json.texts import INEXACT, concatenated, where_null, written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.plan.read import Include, ReadPlan
    from batchrepo.sql.keyset import Keyset
    from batchrepo.strategies.context import ReadContext
    from batchrepo.strategies.reading import PagedOrder

MARK = "\x02"
"""Stands before and after what becomes a cursor."""


def marked(number: int, keyset: Keyset, values: Sequence[Any], dialect: Dialect) -> ColumnElement[str]:
    """What the client makes the cursor of a row of.

    Args:
        number: of the page's field among those of the plan, which tells whose cursor it is.
        keyset: the order.
        values: where each of its values is in the row.
        dialect: of the database.
    """
    parts: list[str | ColumnElement[str]] = []
    for term, value in zip(keyset.terms, values, strict=True):
        text = order_text_of(term, dialect)
        assert text is not None, f"`why_not` lets no order by {term.expression} pass"
        parts += [",", where_null(value, written("null"), text.encode(value))]
    return concatenated([f"{MARK}{number}[", *parts[1:], f"]{MARK}"])


def spliced(texts: list[str], plan: ReadPlan, context: ReadContext) -> list[str]:
    """The texts of a plan's rows with cursors in their places; what is not exact stays as it is.

    Raises:
        MissingContext: the scope's context does not have what a criterion needs.
        InvalidArgument: a value of an order is too long for a cursor.
    """
    if not plan.pages:
        return texts
    reading = context.reading
    makers = [
        _maker(include, reading.paged(include.relation.target, include.order), context)
        for include in plan.pages
    ]
    return [text if INEXACT in text else _spliced(text, makers) for text in texts]


def _spliced(text: str, makers: Sequence[Callable[[str], str]]) -> str:
    pieces = text.split(MARK)
    for i in range(1, len(pieces), 2):
        number, opening, values = pieces[i].partition("[")
        pieces[i] = makers[int(number)](opening + values)
    return "".join(pieces)


def _maker(include: Include, order: PagedOrder, context: ReadContext) -> Callable[[str], str]:
    """From the values of a row, as JSON, to its cursor."""
    reading = context.reading
    purpose = reading.purpose(include.relation.target, order, include.where, context.guards)
    encode = reading.cursors.encode
    found = [order_text_of(term, context.door.dialect) for term in order.keyset.terms]
    readers = [text.read for text in found if text is not None]

    def made(text: str) -> str:
        values = [
            None if value is None else read(value)
            for read, value in zip(readers, json.loads(text), strict=True)
        ]
        return f'"{encode(purpose, values)}"'

    return made
