"""Conditional requests (RFC 9110, section 13): an answer that the client has already is not sent again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CACHE_CONTROL = "private, no-cache"
"""Whoever asked may keep the answer, nobody else, and asks each time whether it still holds."""

VARY = ("Authorization", "Cookie")
"""What the answer depends on, unless somebody knows better: on who asks."""

_OPAQUE = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def is_known(etag: str, if_none_match: Iterable[str]) -> bool:
    """Whether the client has a representation, so that the answer is 304.

    Tags are compared weakly: whether one is strong or weak does not count.

    Args:
        etag: the entity tag of the representation.
        if_none_match: the values of the request's ``If-None-Match`` headers. What is no entity tag in them
            matches nothing.
    """
    told = ",".join(if_none_match)
    return told.strip() == "*" or etag.removeprefix("W/") in _OPAQUE.findall(told)
