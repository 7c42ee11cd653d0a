"""Consistency tokens: what the next request must be able to see.

After a commit a scope holds the primary's position. The next request, perhaps in another process, brings it along, and reads
from a replica only when that has replayed it. So a user sees what he saved, whichever replica answers.

The text is base64url of: a byte for the version, the cluster's identifier (8 bytes), timeline (4), LSN (8), the time in
milliseconds since 1970 (8), and a seal: with a secret an HMAC-SHA256, cut to 16 bytes, else a checksum of 4.
"""

from __future__ import annotations

import base64
import hmac
import re
import struct
from dataclasses import dataclass
from hashlib import blake2b
from time import time
from typing import TYPE_CHECKING

from batchrepo.errors import InvalidToken
from batchrepo.routing.positions import Position

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 1
"""The first byte of every token."""

AHEAD = 60.0
"""Seconds by which the clock of the process that wrote a token may be ahead of ours."""

_LETTERS = re.compile("[A-Za-z0-9_-]*")
_FIELDS = struct.Struct(">BQIQQ")
_SIGNATURE = 16
_CHECKSUM = 4
_PURPOSE = b"batchrepo consistency token"


@dataclass(frozen=True, slots=True)
class ConsistencyToken:
    """What must be seen: everything up to a position of the primary.

    Attributes:
        position: where the primary was after the commit; None where that is not known (a database without such
            positions, or a primary that went away at that moment): then only the primary itself will do.
        issued: when that was, in seconds since 1970, by the clock of the process that wrote. One whose clock is behind
            makes tokens that live shorter by as much.
    """

    position: Position | None
    issued: float

    def merge(self, other: ConsistencyToken | None) -> ConsistencyToken:
        """A token that stands for both: whoever satisfies it satisfies each."""
        if other is None:
            return self
        issued = max(self.issued, other.issued)
        mine, others = self.position, other.position
        if mine is None or others is None or mine.system != others.system:
            return ConsistencyToken(None, issued)
        return ConsistencyToken(max(mine, others), issued)

    def expired(self, seconds: float) -> bool:
        """Whether it is older than so many seconds."""
        return time() - self.issued > seconds


class TokenCodec:
    """Writes tokens as text and reads them back.

    Args:
        secrets: the first one signs, all of them are accepted; none: tokens are not signed.
        seconds: how long a token holds.
    """

    def __init__(self, secrets: Sequence[bytes], seconds: float) -> None:
        self._secrets = tuple(secrets)
        self.seconds = seconds

    def write(self, token: ConsistencyToken) -> str:
        """The token as a text that a header or a cookie can carry."""
        place = token.position or Position(0, 0, 0)
        body = _FIELDS.pack(VERSION, place.system, place.timeline, place.lsn, int(token.issued * 1000))
        seal = _signature(self._secrets[0], body) if self._secrets else _checksum(body)
        return base64.urlsafe_b64encode(body + seal).rstrip(b"=").decode("ascii")

    def read(self, text: str) -> ConsistencyToken:
        """The token that a text stands for.

        Raises:
            InvalidToken: it is damaged, of another version, signed by somebody else, or expired; ``reason`` says which.
        """
        body = self._opened(_unpacked(text))
        _, system, timeline, lsn, issued = _FIELDS.unpack(body)
        position = Position(timeline, lsn, system) if timeline else None
        token = ConsistencyToken(position, issued / 1000)
        if token.expired(self.seconds):
            raise InvalidToken(
                f"The consistency token is older than {self.seconds:g} s. Leave it out: no replica that is read from "
                f"is that far behind.",
                reason="expired",
            )
        if token.issued > time() + AHEAD:
            raise InvalidToken("The consistency token comes from the future. Leave it out.", reason="expired")
        return token

    def given(self, token: ConsistencyToken | str | None) -> ConsistencyToken | None:
        """What a caller gave, as a token; None where there is none, or it has expired and is not needed any more.

        Raises:
            InvalidToken: it is no token of this Database.
        """
        if token is None:
            return None
        if isinstance(token, ConsistencyToken):
            return None if token.expired(self.seconds) else token
        try:
            return self.read(token)
        except InvalidToken as error:
            if error.reason == "expired":
                return None
            raise

    def _opened(self, raw: bytes) -> bytes:
        body, seal = raw[: _FIELDS.size], raw[_FIELDS.size :]
        if raw[:1] and raw[0] != VERSION:
            raise InvalidToken(
                f"The consistency token has version {raw[0]}, but version {VERSION} is in use. Leave it out.",
                reason="version",
            )
        if len(body) != _FIELDS.size:
            raise InvalidToken(_MALFORMED)
        if not self._secrets:
            if not hmac.compare_digest(seal, _checksum(body)):
                raise InvalidToken(_MALFORMED if len(seal) == _CHECKSUM else _UNSIGNED)
            return body
        if not any(hmac.compare_digest(seal, _signature(secret, body)) for secret in self._secrets):
            raise InvalidToken(
                "The consistency token was not signed with a secret of this Database. Leave it out.",
                reason="signature",
            )
        return body


_MALFORMED = "The consistency token is damaged. Leave it out, or send it as it was received."
_UNSIGNED = (
    "The consistency token is damaged, or signed, which this Database has no secret for. Leave it out."
)


def _unpacked(text: str) -> bytes:
    if not isinstance(text, str):
        raise InvalidToken(f"A consistency token is a text; got {type(text).__name__}.")
    if (
        _LETTERS.fullmatch(text) is None
    ):  # base64 of Python takes + and / too, which would be a second way to write it
        raise InvalidToken(_MALFORMED)
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise InvalidToken(_MALFORMED) from None


def _signature(secret: bytes, body: bytes) -> bytes:
    # The purpose keeps a cursor's signature, made with the same secret, from being one of a token.
    return hmac.digest(secret, _PURPOSE + body, "sha256")[:_SIGNATURE]


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=_CHECKSUM).digest()
