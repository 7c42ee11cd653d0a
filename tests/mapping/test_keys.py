"""The shape of keys."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from batchrepo import InvalidArgument
from batchrepo.mapping import entity_info
from batchrepo.mapping.keys import key_values


class Base(DeclarativeBase):
    pass


class Seat(Base):
    __tablename__ = "seat"

    row: Mapped[int] = mapped_column(primary_key=True)
    letter: Mapped[str] = mapped_column(primary_key=True)


COLUMNS = entity_info(Seat).key


@pytest.mark.parametrize("key", [(1, "a"), [1, "a"], {"row": 1, "letter": "a"}, {"letter": "a", "row": 1}])
def test_a_composite_key_is_a_tuple_a_list_or_a_mapping(key):
    assert key_values("Seat", COLUMNS, key) == (1, "a")


def test_a_single_key_is_taken_as_it_is():
    assert key_values("Seat", COLUMNS[:1], {"row": 1}) == ({"row": 1},)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (1, r"A key of Seat is a tuple \(row, letter\); got 1\."),
        ("1a", r"A key of Seat is a tuple \(row, letter\); got '1a'\."),
        ((1,), r"A key of Seat is a tuple \(row, letter\); got \(1,\)\."),
        ((1, "a", 2), r"A key of Seat is a tuple"),
        ({"row": 1}, r"A key of Seat has the columns row, letter; got row\."),
        ({}, r"A key of Seat has the columns row, letter; got none\."),
        ({"row": 1, "letter": "a", "x": 2}, r"got row, letter, x\."),
    ],
)
def test_a_key_of_another_shape_is_refused(key, message):
    with pytest.raises(InvalidArgument, match=message):
        key_values("Seat", COLUMNS, key)
