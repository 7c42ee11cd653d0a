"""Places in the write-ahead log, and how old a replica's may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrepo.routing import Position
from batchrepo.routing.lag import PrimaryPositions
from batchrepo.routing.positions import end_of_record, read_lsn


def at(lsn: int, timeline: int = 1, system: int = 7) -> Position:
    return Position(timeline, lsn, system)


@pytest.mark.parametrize(
    ("text", "lsn"),
    [("0/0", 0), ("16/B374D848", (0x16 << 32) + 0xB374D848), ("FFFFFFFF/FFFFFFFF", 2**64 - 1)],
)
def test_an_lsn_is_two_numbers(text: str, lsn: int):
    assert read_lsn(text) == lsn
    assert str(at(lsn, 3)) == f"3:{text}"


def test_a_server_covers_what_is_not_ahead_of_it():
    assert at(10).covers(at(10))
    assert at(11).covers(at(10))
    assert not at(9).covers(at(10))


def test_nothing_is_concluded_across_timelines_or_clusters():
    assert not at(100, timeline=2).covers(at(10, timeline=1))
    assert not at(100, timeline=1).covers(at(10, timeline=2))
    assert not at(100, system=8).covers(at(10))


@given(block=st.integers(0, 2**40), offset=st.integers(0, 8191))
def test_the_header_of_a_block_that_is_not_there_yet_is_left_out(block: int, offset: int):
    start = block * 8192
    expected = start if offset in {24, 40} else start + offset
    assert end_of_record(start + offset) == expected


def test_the_age_is_that_of_the_latest_place_that_is_reached():
    primary = PrimaryPositions()
    assert (primary.latest, primary.age(at(10), 100.0)) == (None, None)
    for moment, lsn in ((1.0, 10), (2.0, 20), (3.0, 20), (4.0, 30)):
        primary.note(moment, at(lsn))
    assert primary.latest == at(30)
    assert primary.age(at(30), 4.5) == 0.5
    assert primary.age(at(29), 4.5) == 1.5  # an idle primary is no lag: at 3.0 nothing was missing
    assert primary.age(at(10), 4.5) == 3.5
    assert primary.age(at(9), 4.5) == float("inf")


def test_a_promotion_makes_every_other_timeline_old():
    primary = PrimaryPositions()
    primary.note(1.0, at(10, timeline=1))
    primary.note(2.0, at(12, timeline=2))
    assert primary.age(at(50, timeline=1), 3.0) == 2.0  # of before it
    assert primary.age(at(12, timeline=2), 3.0) == 1.0
