"""Cursors carry values unharmed, and are refused where they are damaged or were made for something else."""

from __future__ import annotations

import base64
import datetime as dt
import enum
import json
import math
import os
import subprocess
import sys
import uuid
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrepo import DeclarationError, InvalidArgument, InvalidCursor
from batchrepo.declare.cursors import LONGEST, VERSION, CursorCodec, Cursors, MemberName, Purpose, digest

PURPOSE = Purpose(digest("order"), digest("filter"), digest("criteria"))
PLAIN = CursorCodec()
SIGNED = CursorCodec("secret")


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Size(enum.IntEnum):
    LARGE = 2


class Word(enum.StrEnum):
    YES = "y"


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(st.characters()),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.dates(),
    st.times(),
    st.times().map(lambda at: at.replace(tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30)))),
    st.timedeltas(),
    st.uuids(),
    st.binary(),
)


def crafted(payload: Any, *, version: int = VERSION, purpose: Purpose = PURPOSE, raw: bool = False) -> str:
    """An unsigned cursor, as anybody can make one."""
    written = payload if raw else json.dumps(payload).encode()
    body = bytes((version,)) + purpose.order + purpose.filter + purpose.criteria + written
    return base64.urlsafe_b64encode(body + blake2b(body, digest_size=4).digest()).rstrip(b"=").decode()


def refused(codec: CursorCodec, text: Any, reason: str, purpose: Purpose = PURPOSE) -> None:
    with pytest.raises(InvalidCursor) as caught:
        codec.decode(text, purpose)
    assert caught.value.reason == reason


# --- values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [PLAIN, SIGNED], ids=["plain", "signed"])
@given(values=st.lists(VALUES, max_size=5))
def test_values_of_every_type_come_back_as_they_are(codec, values):
    found = codec.decode(codec.encode(PURPOSE, values), PURPOSE)
    for before, after in zip(values, found, strict=True):
        if type(before) is int and not -(2**63) <= before < 2**63:
            assert (type(after), after) == (Decimal, before), "no JSON parser would keep it"
            continue
        assert type(after) is type(before)
        if isinstance(before, dt.datetime | dt.time):
            # Python finds no moment of an hour that a zone has twice, or never, equal to itself in another zone.
            assert after.utcoffset() == before.utcoffset()
            before, after = before.replace(tzinfo=None, fold=0), after.replace(tzinfo=None)
        assert after == before
        if isinstance(before, float):
            assert math.copysign(1, after) == math.copysign(1, before)
        if isinstance(before, Decimal):
            assert str(after) == str(before)


def test_values_that_are_false_are_not_absent():
    values = [0, "", False, None, b"", 0.0, Decimal(0), dt.timedelta(0), dt.time(0)]
    found = PLAIN.decode(PLAIN.encode(PURPOSE, values), PURPOSE)
    assert [(type(value), value) for value in found] == [(type(value), value) for value in values]
    assert PLAIN.decode(PLAIN.encode(PURPOSE, []), PURPOSE) == []


def test_what_is_not_a_number_comes_back():
    found = PLAIN.decode(PLAIN.encode(PURPOSE, [math.nan, Decimal("NaN"), Decimal("-Infinity")]), PURPOSE)
    assert math.isnan(found[0])
    assert found[1].is_qnan()
    assert found[2] == Decimal("-Infinity")


def test_members_of_enums_travel_by_name():
    found = PLAIN.decode(PLAIN.encode(PURPOSE, [Color.RED, Size.LARGE, Word.YES]), PURPOSE)
    assert found == [MemberName("RED"), MemberName("LARGE"), MemberName("YES")]


def test_values_of_subclasses_and_buffers_travel_as_plain_ones():
    class Text(str):
        __slots__ = ()

    class Moment(dt.datetime):
        pass

    class Key(uuid.UUID):
        pass

    given_values = [
        Text("é"),
        Moment(2020, 1, 1, tzinfo=dt.UTC),
        Key(int=3),
        memoryview(b"ab"),
        bytearray(b"c"),
    ]
    expected = ["é", dt.datetime(2020, 1, 1, tzinfo=dt.UTC), uuid.UUID(int=3), b"ab", b"c"]
    found = PLAIN.decode(PLAIN.encode(PURPOSE, given_values), PURPOSE)
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


@pytest.mark.parametrize("value", [[1], {"a": 1}, object(), 1j, range(3)])
def test_a_value_that_no_cursor_can_carry_is_named(value):
    with pytest.raises(InvalidArgument, match=f"values of type {type(value).__name__}"):
        PLAIN.encode(PURPOSE, [value])


def test_a_cursor_that_is_made_can_be_read_and_others_are_not_made():
    text = "x" * 40_000
    assert PLAIN.decode(PLAIN.encode(PURPOSE, [text]), PURPOSE) == [text]
    with pytest.raises(InvalidArgument, match="too long for a cursor: it would have 66"):
        PLAIN.encode(PURPOSE, ["x" * 50_000])


def test_cursors_are_for_urls():
    text = SIGNED.encode(PURPOSE, ["\xff\xfe?/+ =&", b"\xfb\xff\xfe"])
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


# --- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [PLAIN, SIGNED], ids=["plain", "signed"])
@given(values=st.lists(VALUES, max_size=3), data=st.data())
def test_no_character_can_be_changed(codec, values, data):
    text = codec.encode(PURPOSE, values)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda char: char != text[place]))
    with pytest.raises(InvalidCursor):
        codec.decode(text[:place] + other + text[place + 1 :], PURPOSE)


@pytest.mark.parametrize("codec", [PLAIN, SIGNED], ids=["plain", "signed"])
def test_no_character_can_be_left_out_or_added(codec):
    text = codec.encode(PURPOSE, [1, "a"])
    for place in range(len(text) + 1):
        for changed in (
            text[:place],
            text[place + 1 :],
            text[:place] + "A" + text[place:],
            text + "=" * place,
        ):
            if changed != text:
                with pytest.raises(InvalidCursor):
                    codec.decode(changed, PURPOSE)


@given(text=st.text(max_size=60))
def test_no_text_of_somebody_else_is_a_cursor(text):
    for codec in (PLAIN, SIGNED):
        with pytest.raises(InvalidCursor):
            codec.decode(text, PURPOSE)


@pytest.mark.parametrize("text", [None, 5, b"AQ", ["AQ"], True, object()])
def test_what_is_no_text_is_no_cursor(text):
    refused(PLAIN, text, "malformed")


@pytest.mark.parametrize(
    "text", ["", " ", "AQ==", "cursor", "A", "AQ\n", "é", "A" * (LONGEST + 1), "A" * 10**7]
)
def test_what_is_no_cursor_is_said_to_be_none(text):
    refused(PLAIN, text, "malformed" if not text.startswith("AAA") or len(text) > LONGEST else "version")


def test_a_cursor_for_something_else_is_refused_and_it_is_said_for_what():
    text = PLAIN.encode(PURPOSE, [1])
    refused(PLAIN, text, "order", Purpose(digest("x"), PURPOSE.filter, PURPOSE.criteria))
    refused(PLAIN, text, "filter", Purpose(PURPOSE.order, digest("x"), PURPOSE.criteria))
    refused(PLAIN, text, "criteria", Purpose(PURPOSE.order, PURPOSE.filter, digest("x")))


def test_a_cursor_of_another_version_is_refused():
    refused(PLAIN, crafted([1], version=VERSION + 1), "version")
    refused(SIGNED, crafted([1], version=VERSION + 1), "version")


def test_signatures():
    text = SIGNED.encode(PURPOSE, [1])
    refused(CursorCodec("another"), text, "signature")
    refused(SIGNED, PLAIN.encode(PURPOSE, [1]), "signature")
    refused(PLAIN, text, "malformed")
    assert SIGNED.signs
    assert not PLAIN.signs


def test_a_secret_is_replaced_without_breaking_the_cursors_that_are_out():
    old, both, new = CursorCodec("old"), CursorCodec([b"new", "old"]), CursorCodec("new")
    out = old.encode(PURPOSE, [1])
    assert both.decode(out, PURPOSE) == [1]
    assert new.decode(both.encode(PURPOSE, [2]), PURPOSE) == [2]
    refused(old, both.encode(PURPOSE, [2]), "signature")
    refused(new, out, "signature")


@pytest.mark.parametrize("secret", ["", b"", [""], ["a", ""], [5], ["a", None]])
def test_a_secret_is_a_text_or_bytes(secret):
    with pytest.raises(DeclarationError) as caught:
        CursorCodec(secret)
    assert "secret=" in str(caught.value)


def test_an_error_about_secrets_does_not_show_them():
    with pytest.raises(DeclarationError) as caught:
        CursorCodec(["hush", 1234567])
    assert "hush" not in str(caught.value)
    assert "1234567" not in str(caught.value)


@pytest.mark.parametrize(
    "payload",
    [
        5, "x", None, {"a": 1}, [[1]], [{}], [{"f": 1, "n": "1"}], [{"x": "1"}], [1.5], [2**64], [{"f": 5}],
        [{"f": "x"}], [{"n": "x"}], [{"n": {"a": 1}}], [{"n": None}], [{"t": "x"}], [{"t": 5}], [{"d": "2020"}],
        [{"d": 1}], [{"h": "25:00"}], [{"i": 5}], [{"i": ["a"]}], [{"i": [10**30]}], [{"i": [1] * 9}], [{"u": 5}],
        [{"u": "x"}], [{"u": None}], [{"b": "x"}], [{"b": 5}], [{"b": "é"}], [{"e": 5}], [{"e": ["a"]}],
        [{"e": {}}], [{"e": None}], [{"f": "0x1p99999"}],
    ],
)  # fmt: skip
def test_values_that_somebody_made_up_are_refused(payload):
    refused(PLAIN, crafted(payload), "malformed")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[",
        b"[NaN]",
        b"[Infinity]",
        b"\xff\xfe",
        b"[" * 30_000,
        b"[1]x",
        b'[{"i":["' + b"9" * 5000 + b'"]}]',
    ],
)
def test_bytes_that_are_no_values_are_refused(payload):
    refused(PLAIN, crafted(payload, raw=True), "malformed")


@pytest.mark.parametrize("length", range(1, 18))
def test_a_cursor_that_ends_too_early_is_refused(length):
    body = bytes((VERSION,)) + b"x" * (length - 1)
    sealed = body + blake2b(body, digest_size=4).digest()
    refused(
        PLAIN,
        base64.urlsafe_b64encode(sealed).rstrip(b"=").decode(),
        "order" if length >= 13 else "malformed",
    )


# --- across processes --------------------------------------------------------------------------------


def test_another_process_makes_the_same_text():
    """Whatever the order of its sets and the addresses of its objects."""
    program = """
import datetime as dt
from batchrepo.declare.cursors import CursorCodec, Purpose, digest
purpose = Purpose(digest("order"), digest("filter"), digest("criteria"))
print(CursorCodec("secret").encode(purpose, [1, "é", None, dt.date(2020, 1, 1), b"x"]))
"""
    here = SIGNED.encode(PURPOSE, [1, "é", None, dt.date(2020, 1, 1), b"x"])
    for seed in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout.strip() == here


def test_digests_tell_parts_apart():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a") != digest("a", "")
    assert digest() != digest("")
    assert len(digest("\ud800")) == 4


# --- the cursors of a page ---------------------------------------------------------------------------


def test_the_cursors_of_a_page_are_a_sequence():
    cursors = Cursors(PLAIN, PURPOSE, [(1, "a"), (2, None), (3, "c")])
    texts = [PLAIN.encode(PURPOSE, place) for place in ((1, "a"), (2, None), (3, "c"))]
    assert list(cursors) == texts
    assert cursors == texts
    assert cursors != texts[:2]
    assert cursors[-1] == texts[-1]
    assert cursors[1:] == texts[1:]
    assert list(reversed(cursors)) == texts[::-1]
    assert cursors.ends == (texts[0], texts[-1])
    assert repr(cursors) == "<3 cursors>"
    assert Cursors(PLAIN, PURPOSE, []).ends == (None, None)
    with pytest.raises(IndexError):
        cursors[3]
