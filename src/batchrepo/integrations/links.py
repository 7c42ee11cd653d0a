"""`Link` headers (RFC 8288): where the other pages of a list are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlencode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchrepo.plan.pages import JsonNumberedPage, JsonPage, NumberedPage, Page

Parameters = Iterable[tuple[str, str]]
"""The query parameters of a request, in order, repeated ones included."""

_CURSOR_PARAMETERS = frozenset({"first", "after", "last", "before"})
_NUMBER_PARAMETERS = frozenset({"page", "size"})

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


def page_links(path: str, parameters: Parameters, page: Page[Any] | JsonPage) -> dict[str, str]:
    """The first, the previous and the next page of a list that pages by cursor.

    Args:
        path: of the request. Targets are relative to its server, so that they hold behind any proxy.
        parameters: of the request. The size of its page is kept, and so is all that does not say which page.
        page: the answer.
    """
    given = list(parameters)
    size = next((value for name, value in given if name in ("first", "last")), None)
    target = _targets(path, [(name, value) for name, value in given if name not in _CURSOR_PARAMETERS])
    first, last = ({name: size} if size is not None else {} for name in ("first", "last"))
    links = {"first": target(first)}
    if page.has_previous and page.start_cursor is not None:
        links["prev"] = target({**last, "before": page.start_cursor})
    if page.has_next and page.end_cursor is not None:
        links["next"] = target({**first, "after": page.end_cursor})
    return links


def number_links(
    path: str, parameters: Parameters, page: NumberedPage[Any] | JsonNumberedPage
) -> dict[str, str]:
    """The first, the previous, the next and the last page of a list with page numbers.

    Args:
        path: of the request.
        parameters: of the request. All that does not say which page is kept.
        page: the answer. Where it has no total, one that is not empty is taken to have a next one.
    """
    target = _targets(path, [(name, value) for name, value in parameters if name not in _NUMBER_PARAMETERS])
    numbers = {"first": 1}
    if page.number > 1:
        numbers["prev"] = page.number - 1
    if page.items not in ([], b"[]") if page.pages is None else page.number < page.pages:
        numbers["next"] = page.number + 1
    if page.pages:
        numbers["last"] = page.pages
    return {rel: target({"page": str(number), "size": str(page.size)}) for rel, number in numbers.items()}


def _targets(path: str, kept: list[tuple[str, str]]) -> Callable[[Mapping[str, str]], str]:
    """Makes the targets of a list: what they have in common is written once."""
    start, common = quote(path, safe=_PATH), urlencode(kept)

    def target(place: Mapping[str, str]) -> str:
        given = [f"{name}={quote_plus(value)}" for name, value in place.items()]
        query = "&".join([common, *given] if common else given)
        return f"{start}?{query}" if query else start

    return target
