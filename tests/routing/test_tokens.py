"""Consistency tokens: as text and back, merged, expired, and never anybody else's."""

from __future__ import annotations

import base64
from pathlib import Path
from time import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrepo import ConsistencyToken, Database, DeclarationError, InvalidToken
from batchrepo.routing import Position, TokenCodec
from batchrepo.routing import tokens as module
from tests.support.databases import sqlite_file_url

positions = st.builds(
    Position,
    timeline=st.integers(1, 2**32 - 1),
    lsn=st.integers(0, 2**64 - 1),
    system=st.integers(0, 2**64 - 1),
)
places = st.none() | positions
SECRET = b"a secret of this application"
CODECS = {"signed": TokenCodec([SECRET], 60), "unsigned": TokenCodec([], 60)}
NAMES = sorted(CODECS)


def token(position: Position | None = None, issued: float | None = None) -> ConsistencyToken:
    return ConsistencyToken(position, time() if issued is None else issued)


def refusal(codec: TokenCodec, text: Any) -> str:
    with pytest.raises(InvalidToken) as caught:
        codec.read(text)
    return caught.value.reason


@pytest.mark.parametrize("name", NAMES)
@given(place=places)
def test_what_is_written_is_read(name: str, place: Position | None):
    codec, given = CODECS[name], token(place)
    text = codec.write(given)
    again = codec.read(text)
    assert again.position == place
    assert 0 <= given.issued - again.issued < 0.001
    assert codec.write(again) == text
    assert text.isascii()
    assert not set(text) & set('+/=;, "')


@pytest.mark.parametrize("name", NAMES)
@given(place=places, data=st.data())
def test_no_character_can_be_changed(name: str, place: Position | None, data: st.DataObject):
    codec = CODECS[name]
    text = codec.write(token(place))
    index = data.draw(st.integers(0, len(text) - 1))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= \n\u00e9"
    letter = data.draw(st.sampled_from([one for one in letters if one != text[index]]))
    assert refusal(codec, text[:index] + letter + text[index + 1 :]) in {"malformed", "version", "signature"}


@pytest.mark.parametrize("name", NAMES)
@given(place=places, data=st.data())
def test_no_bit_can_be_flipped(name: str, place: Position | None, data: st.DataObject):
    codec = CODECS[name]
    raw = bytearray(base64.urlsafe_b64decode(codec.write(token(place))))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert refusal(codec, base64.urlsafe_b64encode(raw).decode().rstrip("="))


@pytest.mark.parametrize("name", NAMES)
@given(text=st.text(max_size=100))
def test_any_text_is_refused(name: str, text: str):
    assert refusal(CODECS[name], text) in {"malformed", "version", "signature"}


@pytest.mark.parametrize("given", [None, b"bytes", 7, ["list"]], ids=repr)
def test_what_is_no_text_is_refused(given: Any):
    assert refusal(CODECS["signed"], given) == "malformed"


def test_another_spelling_of_the_same_bytes_is_refused():
    codec = CODECS["unsigned"]
    text = next(t for n in range(500) if "-" in (t := codec.write(token(Position(1, n, 7)))))
    assert refusal(codec, text.replace("-", "+")) == "malformed"


def test_another_secret_is_refused_and_an_older_one_taken():
    place = Position(1, 5, 7)
    text = TokenCodec([b"old"], 60).write(token(place))
    assert refusal(TokenCodec([b"new"], 60), text) == "signature"
    rotating = TokenCodec([b"new", b"old"], 60)
    assert rotating.read(text).position == place
    assert TokenCodec([b"new"], 60).read(rotating.write(token(place))).position == place


def test_signed_and_unsigned_tokens_are_not_mixed_up():
    signed, unsigned = CODECS["signed"], CODECS["unsigned"]
    assert refusal(signed, unsigned.write(token())) == "signature"
    assert refusal(unsigned, signed.write(token())) == "malformed"


def test_the_signature_of_a_cursor_is_not_that_of_a_token():
    import hmac

    body = module._FIELDS.pack(module.VERSION, 7, 1, 5, int(time() * 1000))
    plain = hmac.digest(SECRET, body, "sha256")[:16]
    text = base64.urlsafe_b64encode(body + plain).decode().rstrip("=")
    assert refusal(CODECS["signed"], text) == "signature"


def test_another_version_is_told_apart():
    raw = bytearray(base64.urlsafe_b64decode(CODECS["signed"].write(token())))
    raw[0] = module.VERSION + 1
    assert refusal(CODECS["signed"], base64.urlsafe_b64encode(raw).decode()) == "version"


def test_a_token_ends_after_its_seconds():
    codec = CODECS["signed"]
    assert refusal(codec, codec.write(token(issued=time() - 61))) == "expired"
    assert codec.read(codec.write(token(issued=time() - 58))).position is None


def test_a_clock_that_is_ahead_is_borne_and_one_of_the_future_is_not():
    codec = CODECS["signed"]
    assert codec.read(codec.write(token(issued=time() + 30)))
    assert refusal(codec, codec.write(token(issued=time() + module.AHEAD + 5))) == "expired"


@given(one=positions, other=positions)
def test_merged_tokens_need_what_both_need(one: Position, other: Position):
    merged = token(one, 10.0).merge(token(other, 20.0))
    assert merged == token(other, 20.0).merge(token(one, 10.0))
    assert merged.issued == 20.0
    if one.system != other.system:
        assert merged.position is None
    else:
        assert merged.position == max(one, other)


@given(one=positions)
def test_a_token_of_the_primary_alone_stays_one(one: Position):
    assert token(one, 1.0).merge(token(None, 2.0)) == token(None, 2.0)
    assert token(None, 1.0).merge(token(one, 2.0)) == token(None, 2.0)
    assert token(one, 1.0).merge(None) == token(one, 1.0)


@given(one=positions, shift=st.integers(1, 1000))
def test_whoever_has_the_merged_position_has_each(one: Position, shift: int):
    later = Position(one.timeline, min(one.lsn + shift, 2**64 - 1), one.system)
    merged = token(one, 1.0).merge(token(later, 1.0)).position
    assert merged is not None
    assert merged.covers(one)
    assert merged.covers(later)


def test_the_database_signs_with_its_secret(tmp_path: Path):
    url = sqlite_file_url(tmp_path / "a.db")
    mine, others = Database(url, secret=["new", "old"]), Database(url, secret="another")
    text = Database(url, secret="old").tokens.write(token())
    assert mine.tokens.read(text)
    assert refusal(others.tokens, text) == "signature"


@pytest.mark.parametrize("seconds", [0, -1, "60", True, None], ids=repr)
def test_seconds_that_are_none_are_refused(tmp_path: Path, seconds: Any):
    with pytest.raises(DeclarationError, match=r"token_seconds= expects seconds, more than 0; got"):
        Database(sqlite_file_url(tmp_path / "a.db"), token_seconds=seconds)


async def test_a_scope_leaves_an_expired_token_out_and_refuses_a_damaged_one(tmp_path: Path):
    async with Database(sqlite_file_url(tmp_path / "a.db"), token_seconds=10) as db:
        old = token(Position(1, 5, 7), time() - 11)
        assert not db.scope(token=old).has_writes
        assert not db.scope(token=db.tokens.write(old)).has_writes
        assert db.scope(token=db.tokens.write(token())).has_writes
        with pytest.raises(InvalidToken, match=r"^The consistency token is damaged. Leave it out"):
            db.scope(token="AQ")
        with pytest.raises(InvalidToken, match=r"A consistency token is a text; got int\."):
            db.scope(token=7)  # type: ignore[arg-type]
