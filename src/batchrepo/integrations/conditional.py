"""Conditional requests (RFC 9110, section 13).

An answer that the client has already is not sent again, and what somebody else has changed meanwhile is not overwritten.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class IfMatch:
    """What a client expects a resource to be like before it is written.

    Weak tags count as strong ones do. Those of batchrepo are made from the bytes, and weak only because something
    outside may compress them; which is no change that a writer could overwrite.

    Attributes:
        tags: the opaque tags, with their quotes.
        anything: whether any state will do (``*``).
    """

    tags: frozenset[str]
    anything: bool = False

    @classmethod
    def read(cls, values: Iterable[str]) -> IfMatch | None:
        """From the values of the request's ``If-Match`` headers; None without one.

        What is no entity tag in them matches nothing.
        """
        given = list(values)
        if not given:
            return None
        told = ",".join(given).strip()
        return cls(frozenset(_OPAQUE.findall(told)), anything=told == "*")

    def holds(self, etag: str) -> bool:
        """Whether it is met by a representation with this entity tag."""
        return self.anything or etag.removeprefix("W/") in self.tags

    def number(self) -> int | None:
        """The version that the client expects, where it is a number and all that it expects."""
        (tag, *more) = self.tags or ("",)
        text = tag.strip('"')
        # A tag that is a digest has more signs, even if they should all be digits.
        return int(text) if not more and text.isascii() and text.isdecimal() and len(text) < _DIGITS else None


_DIGITS = 19
"""A whole number of a database has fewer digits than this, or overflows."""


def version_tag(version: object) -> str:
    """The entity tag that names a row's version."""
    return f'"{version}"'
