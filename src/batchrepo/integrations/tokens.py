"""Consistency tokens between requests: in a cookie for browsers, in a header for other clients."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from time import time
from typing import TYPE_CHECKING, Any

from batchrepo.errors import DeclarationError, InvalidToken
from batchrepo.routing import ConsistencyToken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from batchrepo.database import Database
    from batchrepo.routing import TokenCodec

    Header = tuple[bytes, bytes]

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DIRECTIVE = re.compile(r'(?:[^,"]|"[^"]*")+')


@dataclass(frozen=True, slots=True)
class TokenTransport:
    """How a consistency token travels from an answer to the next request.

    Applications on one host, whose cookies are the same browser's, need a cookie name each.

    Args:
        cookie: the name of the cookie, or None for no cookie.
        header: the name of the header, of requests and of answers, or None for no header.

    Raises:
        DeclarationError: one of them is no name.
    """

    cookie: str | None = "batchrepo"
    header: str | None = "Consistency-Token"

    def __post_init__(self) -> None:
        header_name("TokenTransport(cookie=)", self.cookie, example="batchrepo", kind="cookie")
        header_name("TokenTransport(header=)", self.header, example="Consistency-Token")


def header_name(setting: str, given: object, *, example: str, kind: str = "header") -> bytes | None:
    """The name of a header or cookie, as ASGI has it but for its case.

    Raises:
        DeclarationError: it is none.
    """
    if given is None:
        return None
    if not isinstance(given, str) or not _FIELD_NAME.fullmatch(given):
        raise DeclarationError(
            f"{setting} got {given!r}, which is no name of a {kind}. Expected one such as {example!r}, or None."
        )
    return given.encode("ascii")


DEFAULT_TRANSPORT = TokenTransport()
"""Both, under the usual names."""


def usable(given: object, codec: TokenCodec) -> ConsistencyToken | None:
    """A token that came from a client; None for one that cannot be used.

    No client is refused for it: what it cannot know is not its mistake, and without a token it reads what any
    replica has.
    """
    if isinstance(given, ConsistencyToken):
        return None if given.expired(codec.seconds) else given
    try:
        return codec.read(given) if isinstance(given, str) else None
    except InvalidToken:
        return None


class TokenCarrier:
    """Takes tokens out of requests, and puts them into answers.

    Args:
        database: whose tokens they are.
        transport: where they are.
    """

    def __init__(self, database: Database, transport: TokenTransport) -> None:
        if not isinstance(transport, TokenTransport):
            raise DeclarationError(
                f"tokens= expects a TokenTransport, such as TokenTransport(cookie=None); got {transport!r:.100}."
            )
        self.codec = database.tokens
        self.cookie = transport.cookie.encode("ascii") if transport.cookie is not None else None
        self.header = transport.header.lower().encode("ascii") if transport.header is not None else None

    def received(self, asgi_scope: Mapping[str, Any]) -> RequestToken:
        """The token of the request with this ASGI scope: all that it carries, as one."""
        sent: list[ConsistencyToken | None] = []
        kept: list[ConsistencyToken | None] = []
        for name, value in asgi_scope["headers"]:
            if name == self.header:
                sent.append(usable(value.decode("latin-1"), self.codec))
            elif name == b"cookie" and self.cookie is not None and self.cookie in value:
                kept.extend(usable(text, self.codec) for text in _values(value, self.cookie))
        given: ConsistencyToken | None = None
        for token in (*sent, *kept):
            given = token.merge(given) if token is not None else given
        # Where one of several is good, a deletion could meet that one.
        damaged = bool(kept) and not any(kept)
        return RequestToken(self, given, damaged=damaged, https=asgi_scope.get("scheme") == "https")


class RequestToken:
    """The token that came with a request, and how another one goes out with its answer.

    Args:
        carrier: knows where tokens are.
        given: what came and can be used.
        damaged: whether a cookie came that cannot.
        https: whether the request is encrypted, as far as the server knows.
    """

    __slots__ = ("_carrier", "_damaged", "_https", "given")

    def __init__(
        self, carrier: TokenCarrier, given: ConsistencyToken | None, *, damaged: bool, https: bool
    ) -> None:
        self.given = given
        self._carrier = carrier
        self._damaged = damaged
        self._https = https

    def added(self, written: ConsistencyToken | None, headers: list[Header]) -> list[Header]:
        """The headers of an answer, with what it says of tokens.

        Args:
            written: what the request has written; None where that is nothing: a token that only came along holds as
                long as it did.
            headers: of the answer so far.
        """
        carrier = self._carrier
        left = ceil(written.issued + carrier.codec.seconds - time()) if written is not None else 0
        if written is not None and left > 0:
            text = carrier.codec.write(written).encode("ascii")
            if carrier.header is not None:
                headers = [*headers, (carrier.header, text)]
            if carrier.cookie is not None:
                headers = [*headers, self._cookie(text, left)]
            return _private(headers)
        # A cache that keeps the deletion would play it to users whose token is good.
        if self._damaged and not _is_shared(_directives(headers)):
            return [*headers, self._cookie(b"", 0)]
        return headers

    def _cookie(self, text: bytes, seconds: int) -> Header:
        secure = b"; Secure" if self._https else b""
        name = self._carrier.cookie or b""
        more = b"; Max-Age=%d; Path=/; HttpOnly; SameSite=Lax%b" % (seconds, secure)
        return b"set-cookie", name + b"=" + text + more


def _values(cookies: bytes, wanted: bytes) -> Iterator[str]:
    """The values of the cookies with a name, in a ``Cookie`` header; browsers send one for each path and domain."""
    for pair in cookies.split(b";"):
        name, _, value = pair.partition(b"=")
        if name.strip() == wanted:
            yield value.strip().strip(b'"').decode("latin-1")


def _directives(headers: Iterable[Header]) -> list[str]:
    told = ",".join(value.decode("latin-1") for name, value in headers if name.lower() == b"cache-control")
    return [directive.strip() for directive in _DIRECTIVE.findall(told) if directive.strip()]


def _is_shared(directives: Iterable[str]) -> bool:
    return any(map(_is_for_all, directives))


def _is_for_all(directive: str) -> bool:
    return directive.lower().partition("=")[0] in {"public", "s-maxage"}


def _private(headers: list[Header]) -> list[Header]:
    """The headers of an answer that no cache may give to somebody else, who would lose a later token of his own."""
    directives = _directives(headers)
    if {directive.lower() for directive in directives} & {"private", "no-store"}:
        return headers
    told = ", ".join(["private", *(one for one in directives if not _is_for_all(one))])
    others = [header for header in headers if header[0].lower() != b"cache-control"]
    return [*others, (b"cache-control", told.encode("latin-1"))]
