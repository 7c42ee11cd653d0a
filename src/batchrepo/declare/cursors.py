"""Cursors: a place in an order, as an opaque text.

A cursor carries the order's values of one row, typed, and digests of what it was made for: the order, the
filter and the row criteria. Used for anything else it is refused, never read as something near. With a
secret it is signed, so that nobody can make one up.

The text is base64url of: one byte for the version, three digests of four bytes each, the values as JSON,
and a seal: with a secret an HMAC-SHA256, cut to 16 bytes, else a checksum of 4 bytes.
"""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from hashlib import blake2b
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, overload
from uuid import UUID

from batchrepo.errors import DeclarationError, InvalidArgument, InvalidCursor

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = 1
"""The first byte of every cursor. Cursors of another version are refused: their values mean something else."""

LONGEST = 64_000
"""Characters of a cursor that is made or looked at; what order values need is nearly always far less."""

_DIGEST = 4
_HEAD = 1 + 3 * _DIGEST
_SIGNATURE = 16
_CHECKSUM = 4
_FIRST_INT, _LAST_INT = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a cursor is made for; each part is a digest of `digest`'s length.

    Attributes:
        order: of the expressions, directions and NULL places that rows are sorted by.
        filter: of the conditions, their values included.
        criteria: of the row criteria that hold, their values included.
    """

    order: bytes
    filter: bytes
    criteria: bytes


def digest(*parts: str) -> bytes:
    """Four bytes that tell texts apart; the same in every process."""
    hashed = blake2b(digest_size=_DIGEST)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        hashed.update(len(encoded).to_bytes(8, "big"))
        hashed.update(encoded)
    return hashed.digest()


class CursorCodec:
    """Writes and reads cursors.

    Args:
        secrets: the first one signs, all of them are accepted, so that a secret can be replaced without
            breaking the cursors that are out. None: cursors are not signed.

    Attributes:
        secrets: as bytes.

    Raises:
        DeclarationError: a secret is empty, or something else than text or bytes.
    """

    def __init__(self, secrets: str | bytes | Sequence[str | bytes] | None = None) -> None:
        given: tuple[Any, ...] = (secrets,) if isinstance(secrets, str | bytes) else tuple(secrets or ())
        for secret in given:
            if not isinstance(secret, str | bytes) or not secret:
                # The value itself is a secret, or was meant to be one.
                raise DeclarationError(
                    f"secret= expects a text or bytes that are not empty, or a list of them; got an item of type "
                    f"{type(secret).__name__}."
                )
        self.secrets = tuple(secret.encode() if isinstance(secret, str) else secret for secret in given)

    @property
    def signs(self) -> bool:
        """Whether there is a secret."""
        return bool(self.secrets)

    def encode(self, purpose: Purpose, values: Sequence[Any]) -> str:
        """The cursor of a row.

        Args:
            purpose: what it is made for.
            values: the order's values of the row.

        Raises:
            InvalidArgument: a value has a type that no cursor can carry, or is too long for one.
        """
        payload = f"[{','.join([_write(value) for value in values])}]".encode("utf-8", "surrogatepass")
        body = bytes((VERSION,)) + purpose.order + purpose.filter + purpose.criteria + payload
        text = base64.urlsafe_b64encode(body + self._seal(body)).rstrip(b"=").decode("ascii")
        if len(text) > LONGEST:
            raise InvalidArgument(
                f"A row's values of the order are too long for a cursor: it would have {len(text)} characters, and "
                f"{LONGEST} is the most. Order by a shorter value, such as func.substr(Album.title, 1, 100)."
            )
        return text

    def decode(self, text: str, purpose: Purpose) -> list[Any]:
        """The values that a cursor carries.

        Raises:
            InvalidCursor: it is damaged, of another version, signed by somebody else, or made for another
                order, filter or row criteria; ``reason`` says which.
        """
        if not isinstance(text, str):
            raise InvalidCursor(f"A cursor is a text; got {type(text).__name__}.", reason="malformed")
        raw = _unpacked(text)
        if raw[0] != VERSION:
            raise InvalidCursor(
                f"The cursor has version {raw[0]}, but version {VERSION} is in use. {_AGAIN}",
                reason="version",
            )
        body = self._opened(raw)
        parts = [body[1 + i * _DIGEST : 1 + (i + 1) * _DIGEST] for i in range(3)]
        for part, expected, reason, what in zip(
            parts,
            (purpose.order, purpose.filter, purpose.criteria),
            ("order", "filter", "criteria"),
            ("another order", "another filter", "rows of somebody else"),
            strict=True,
        ):
            if part != expected:
                raise InvalidCursor(f"The cursor was made for {what}. {_AGAIN}", reason=reason)
        return _values(body[_HEAD:])

    def _seal(self, body: bytes) -> bytes:
        if self.secrets:
            return _signed(self.secrets[0], body)
        return blake2b(body, digest_size=_CHECKSUM).digest()

    def _opened(self, raw: bytes) -> bytes:
        """What is inside of the seal."""
        if not self.secrets:
            body, seal = raw[:-_CHECKSUM], raw[-_CHECKSUM:]
            if seal != blake2b(body, digest_size=_CHECKSUM).digest() or len(body) < _HEAD:
                raise InvalidCursor(f"The cursor is damaged. {_AGAIN}", reason="malformed")
            return body
        body, seal = raw[:-_SIGNATURE], raw[-_SIGNATURE:]
        if len(body) < _HEAD or not any(
            hmac.compare_digest(seal, _signed(secret, body)) for secret in self.secrets
        ):
            raise InvalidCursor(f"The cursor's signature is wrong. {_AGAIN}", reason="signature")
        return body


class Cursors(Sequence[str]):
    """The cursors of a page's items, each made when it is looked at.

    Args:
        codec: writes them.
        purpose: what they are made for.
        places: the order's values of each item.
    """

    def __init__(self, codec: CursorCodec, purpose: Purpose, places: Sequence[Sequence[Any]]) -> None:
        self._codec = codec
        self._purpose = purpose
        self._places = places

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Cursors: ...
    def __getitem__(self, index: int | slice) -> str | Cursors:
        if isinstance(index, slice):
            return Cursors(self._codec, self._purpose, self._places[index])
        return self._codec.encode(self._purpose, self._places[index])

    def __len__(self) -> int:
        return len(self._places)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} cursors>"

    @property
    def ends(self) -> tuple[str | None, str | None]:
        """The first one and the last one, or None twice."""
        return (self[0], self[-1]) if self._places else (None, None)


_AGAIN = "Start from the first page again."


def _signed(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(secret, body, "sha256")[:_SIGNATURE]


def _unpacked(text: str) -> bytes:
    if len(text) <= LONGEST and text.isascii():
        padded = text + "=" * (-len(text) % 4)
        try:
            raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        except ValueError:
            raw = b""
        # One spelling for each cursor: the bits that base64 leaves over must be those that were written.
        if raw and base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") == text:
            return raw
    raise InvalidCursor(f"{text[:40]!r} is not a cursor. Pass one as it came, or none.", reason="malformed")


_UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    InvalidOperation,
    RecursionError,
)
"""What reading values may raise that somebody made up."""


def _values(payload: bytes) -> list[Any]:
    try:
        tagged = json.loads(payload.decode("utf-8", "surrogatepass"))
        if type(tagged) is not list:
            raise TypeError(tagged)
        return [_read(item) for item in tagged]
    except _UNREADABLE as error:
        raise InvalidCursor(f"The cursor's values cannot be read. {_AGAIN}", reason="malformed") from error


def _write(value: Any) -> str:
    """A value as JSON: texts, integers, truths and NULL as they are, others with a tag.

    Written by hand, since the encoder of the standard library is made anew for each list.
    """
    kind = type(value)
    if kind is int:
        return str(value) if _FIRST_INT <= value <= _LAST_INT else f'{{"n":"{value}"}}'
    if kind is str:
        return encode_basestring(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    tag = _TAGS.get(kind)
    if tag is not None:
        return _tagged(tag, value)
    if isinstance(value, Enum):
        return _tagged("e", value)
    for base, tag in _TAGS.items():
        if isinstance(value, base):
            return _tagged(tag, value)
    if isinstance(value, int | str):
        return _write(int(value) if isinstance(value, int) else str.__str__(value))
    raise InvalidArgument(
        f"Rows cannot be paged by values of type {kind.__name__}: no cursor can carry {value!r:.100}. "
        f"Order by another column."
    )


def _tagged(tag: str, value: Any) -> str:
    """A value of a type that JSON does not have."""
    return f'{{"{tag}":{_CODERS[tag][0](value)}}}'


def _quoted(write: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: f'"{write(value)}"'


def _read(item: Any) -> Any:
    if isinstance(item, dict):
        ((tag, text),) = item.items()
        return _CODERS[tag][1](text)
    if item is None or isinstance(item, bool | str):
        return item
    if type(item) is int and _FIRST_INT <= item <= _LAST_INT:
        return item
    raise ValueError(item)


@dataclass(frozen=True, slots=True)
class MemberName:
    """The name of an enum's member, as a cursor carries it; whoever knows the column finds the member."""

    name: str


def _member(name: Any) -> MemberName:
    if type(name) is not str:
        raise TypeError(name)
    return MemberName(name)


_CODERS: dict[str, tuple[Callable[[Any], str], Callable[[Any], Any]]] = {
    "f": (_quoted(lambda value: float(value).hex()), float.fromhex),
    "n": (_quoted(str), Decimal),
    "t": (_quoted(dt.datetime.isoformat), dt.datetime.fromisoformat),
    "d": (_quoted(dt.date.isoformat), dt.date.fromisoformat),
    "h": (_quoted(dt.time.isoformat), dt.time.fromisoformat),
    "i": (
        lambda value: f"[{value.days},{value.seconds},{value.microseconds}]",
        lambda parts: dt.timedelta(*map(int, parts)),
    ),
    "u": (_quoted(str), UUID),
    "b": (
        _quoted(lambda value: base64.b64encode(bytes(value)).decode("ascii")),
        lambda text: base64.b64decode(text, validate=True),
    ),
    "e": (lambda member: encode_basestring(member.name), _member),
}
"""For each tag, how its values are written as JSON, and read."""

_TAGS: dict[type[Any], str] = {
    float: "f",
    Decimal: "n",
    dt.datetime: "t",
    dt.date: "d",
    dt.time: "h",
    dt.timedelta: "i",
    UUID: "u",
    bytes: "b",
    memoryview: "b",
    bytearray: "b",
}
"""The tag of each type; a datetime is found before the date that it also is."""
