"""Hand-written SQLAlchemy Core: for each order the conditions that its index serves, constant statements, orjson.

An order with NULLs is two ranges, one after the other: values and NULLs. Only a page that the first one does not fill
needs a second statement.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.models import Comment
from benchmarks.workload import Request
from benchmarks.workloads.deep_page.orders import (
    MIXED,
    NULLS_FIRST,
    NULLS_LAST,
    ROW_VALUE,
    SIZE,
    CommentLine,
    Order,
    Place,
    place_before,
)

_COMMENT = Comment.__table__.c
NAMES = tuple(CommentLine.model_fields)
COLUMNS = [_COMMENT[name] for name in NAMES]
_CREATED, _EDITED, _ID = _COMMENT.created_at, _COMMENT.edited_at, _COMMENT.id
_VALUE = sa.bindparam("value", type_=sa.DateTime(timezone=True))
_KEY = sa.bindparam("key", type_=sa.Integer())
_ROWS = sa.bindparam("rows", type_=sa.Integer())

_COLUMN = {
    ROW_VALUE.name: NAMES.index("created_at"),
    MIXED.name: NAMES.index("created_at"),
    NULLS_LAST.name: NAMES.index("edited_at"),
    NULLS_FIRST.name: NAMES.index("edited_at"),
}
"""Where the order's first value is in a row; its second one is the id, which comes first."""


def _select(*where: Any, order: Sequence[Any]) -> sa.Select[Any]:
    return sa.select(*COLUMNS).where(*where).order_by(*order).limit(_ROWS)


_values = (_EDITED.desc().nulls_last(), _ID.desc())
_values_up = (_EDITED.asc().nulls_first(), _ID.asc())
START = {
    ROW_VALUE.name: _select(order=(_CREATED.desc(), _ID.desc())),
    MIXED.name: _select(order=(_CREATED.desc(), _ID.asc())),
    NULLS_LAST.name: _select(order=_values),
    NULLS_FIRST.name: _select(order=_values_up),
}
"""The first page of each order."""

BEHIND_VALUE = {
    ROW_VALUE.name: _select(
        sa.tuple_(_CREATED, _ID) < sa.tuple_(_VALUE, _KEY), order=(_CREATED.desc(), _ID.desc())
    ),
    MIXED.name: _select(
        _CREATED <= _VALUE, sa.or_(_CREATED < _VALUE, _ID > _KEY), order=(_CREATED.desc(), _ID.asc())
    ),
    NULLS_LAST.name: _select(sa.tuple_(_EDITED, _ID) < sa.tuple_(_VALUE, _KEY), order=_values),
    NULLS_FIRST.name: _select(sa.tuple_(_EDITED, _ID) > sa.tuple_(_VALUE, _KEY), order=_values_up),
}
"""Behind a row with a value: the values."""

BEHIND_NULL = {
    NULLS_LAST.name: _select(_EDITED.is_(None), _ID < _KEY, order=_values),
    NULLS_FIRST.name: _select(_EDITED.is_(None), _ID > _KEY, order=_values_up),
}
"""Behind a row without a value: those without one."""

FOLLOWING = {
    NULLS_LAST.name: (False, _select(_EDITED.is_(None), order=_values)),
    NULLS_FIRST.name: (True, _select(_EDITED.is_not(None), order=_values_up)),
}
"""What follows the values (False) or the NULLs (True) where they do not fill a page."""


@asynccontextmanager
async def by_hand(order: Order, page: int, dataset: Dataset) -> AsyncIterator[Request]:
    """Page by keyset, with a cursor that is as easily read as made."""
    engine = reading_engine(dataset)
    name, column = order.name, _COLUMN[order.name]
    place = await place_before(dataset, order, page)
    after = None if place is None else _cursor(place)

    async def request() -> bytes:
        async with engine.connect() as connection:
            if after is None:
                rows = (await connection.execute(START[name], {"rows": SIZE + 1})).all()
            else:
                value, key = _place(after)
                parameters = {"key": key, "rows": SIZE + 1}
                if value is None:
                    rows = (await connection.execute(BEHIND_NULL[name], parameters)).all()
                else:
                    rows = (
                        await connection.execute(BEHIND_VALUE[name], {**parameters, "value": value})
                    ).all()
                if len(rows) <= SIZE and name in FOLLOWING:
                    of_null, statement = FOLLOWING[name]
                    if of_null == (value is None):
                        more = await connection.execute(statement, {"rows": SIZE + 1 - len(rows)})
                        rows = [*rows, *more.all()]
        has_next = len(rows) > SIZE
        rows = rows[:SIZE]
        items = [
            {
                "id": id_,
                "body": body,
                "created_at": created_at,
                "edited_at": edited_at,
                "post_id": post_id,
                "author_id": author_id,
            }
            for id_, body, created_at, edited_at, post_id, author_id in map(tuple, rows)
        ]
        answer = {
            "items": items,
            "has_next": has_next,
            "end_cursor": _cursor((rows[-1][column], rows[-1][0])) if rows else None,
        }
        return orjson.dumps(answer, option=orjson.OPT_UTC_Z)

    try:
        yield request
    finally:
        await engine.dispose()


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode()


def _place(cursor: str) -> Place:
    value, key = orjson.loads(base64.urlsafe_b64decode(cursor))
    return None if value is None else datetime.fromisoformat(value), key
