"""Conditional requests (RFC 9110, section 13): an answer that the client has already is not sent again."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CACHE_CONTROL = "private, no-cache"
"""Whoever asked may keep the answer, nobody else, and asks each time whether it still holds."""

VARY = ("Authorization", "Cookie")
"""What the answer depends on, unless somebody knows better: on who asks."""

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def entity_tag(body: bytes) -> str:
    """The entity tag of a representation: equal for equal bytes, in every process.

    It is weak, since a middleware that compresses the answer changes its bytes but not what it says.
    """
    return f'W/"{blake2b(body, digest_size=12).hexdigest()}"'


def is_known(etag: str, if_none_match: Iterable[str]) -> bool:
    """Whether the client has this representation, so that the answer is 304.

    Args:
        etag: its entity tag, weak or strong.
        if_none_match: the values of the request's ``If-None-Match`` headers. What is no entity tag in them
            matches nothing.
    """
    told = ",".join(if_none_match)
    if told.strip() == "*":
        return True
    return opaque(etag) in _TAG.findall(told)


def opaque(etag: str) -> str:
    """What weak comparison looks at: an entity tag without its ``W/``."""
    return etag.removeprefix("W/")
