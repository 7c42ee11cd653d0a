"""`Link` headers (RFC 8288): where the other pages of a list are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

Parameters = Iterable[tuple[str, str]]
"""The query parameters of a request, in order, repeated ones included."""

_CURSOR_PARAMETERS = frozenset({"first", "after", "last", "before"})


_PATH = "/!$&'()*+:;=@~"
_URL = f"{_PATH}#%?[]"
"""What stands in a URL as it is; but for the comma, at which careless clients split the header."""


def link_header(links: Mapping[str, str]) -> str:
    """The value of a ``Link`` header.

    Args:
        links: targets by relation, such as ``{"next": "/albums?after=..."}``, absolute or relative to the
            URL of the request.
    """
    return ", ".join(f'<{quote(target, safe=_URL)}>; rel="{rel}"' for rel, target in links.items())


def cursor_links(
    path: str,
    parameters: Parameters,
    *,
    size: int,
    start_cursor: str | None,
    end_cursor: str | None,
    has_previous: bool,
    has_next: bool,
) -> dict[str, str]:
    """The first, the previous and the next page of a list that pages by cursor.

    Args:
        path: of the request; targets are relative to its server, so that they hold behind any proxy.
        parameters: of the request; those that say nothing of the page are kept.
        size: how many items a page has.
        start_cursor: of the first item of this page, if it has any.
        end_cursor: of its last item.
        has_previous: whether there are items before it.
        has_next: whether there are items after it.
    """
    kept = [(name, value) for name, value in parameters if name not in _CURSOR_PARAMETERS]

    def target(*page: tuple[str, str]) -> str:
        return _target(path, [*kept, *page])

    links = {"first": target(("first", str(size)))}
    if has_previous and start_cursor is not None:
        links["prev"] = target(("last", str(size)), ("before", start_cursor))
    if has_next and end_cursor is not None:
        links["next"] = target(("first", str(size)), ("after", end_cursor))
    return links


def number_links(
    path: str, parameters: Parameters, *, number: int, size: int, last: int | None, has_next: bool
) -> dict[str, str]:
    """The first, the previous, the next and the last page of a list with page numbers.

    Args:
        path: of the request.
        parameters: of the request; those that say nothing of the page are kept.
        number: of this page, from 1.
        size: how many items a page has.
        last: the number of the last page, where it is known.
        has_next: whether there are items after this page.
    """
    kept = [(name, value) for name, value in parameters if name not in ("page", "size")]

    def target(page: int) -> str:
        return _target(path, [*kept, ("page", str(page)), ("size", str(size))])

    links = {"first": target(1)}
    if number > 1:
        links["prev"] = target(number - 1)
    if has_next:
        links["next"] = target(number + 1)
    if last is not None:
        links["last"] = target(last)
    return links


def _target(path: str, parameters: list[tuple[str, str]]) -> str:
    return f"{quote(path, safe=_PATH)}?{urlencode(parameters)}"
