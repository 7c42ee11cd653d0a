"""`Link` headers, as RFC 8288 has them."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrepo import JsonNumberedPage, JsonPage, NumberedPage, Page
from batchrepo.integrations.links import link_header, number_links, page_links

MIDDLE = JsonPage(b"[1]", has_next=True, has_previous=True, start_cursor="s", end_cursor="e")
TEXT = st.text(max_size=8)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ([], ("/albums", "/albums?before=s", "/albums?after=e")),
        (
            [("first", "20"), ("after", "x")],
            ("/albums?first=20", "/albums?last=20&before=s", "/albums?first=20&after=e"),
        ),
        (
            [("last", "20"), ("before", "x")],
            ("/albums?first=20", "/albums?last=20&before=s", "/albums?first=20&after=e"),
        ),
        ([("q", "a b"), ("q", "")], ("?q=a+b&q=", "?q=a+b&q=&before=s", "?q=a+b&q=&after=e")),
    ],
)
def test_a_page_in_the_middle_has_all_links(parameters, expected):
    links = page_links("/albums", parameters, MIDDLE)
    assert list(links) == ["first", "prev", "next"]
    assert tuple(links.values()) == tuple(f"/albums{each.removeprefix('/albums')}" for each in expected)


@pytest.mark.parametrize("has_previous", [True, False])
@pytest.mark.parametrize("has_next", [True, False])
def test_there_is_a_link_where_there_is_a_page(has_previous, has_next):
    page = Page[int](
        items=[1], has_next=has_next, has_previous=has_previous, start_cursor="s", end_cursor="e"
    )
    links = page_links("/a", [], page)
    assert ("prev" in links, "next" in links) == (has_previous, has_next)
    assert "first" in links


def test_an_empty_page_leads_to_the_first():
    empty = JsonPage(b"[]", has_next=False, has_previous=True)
    assert page_links("/a", [("after", "z"), ("first", "5")], empty) == {"first": "/a?first=5"}


@given(st.lists(st.tuples(TEXT, TEXT), max_size=5), st.sampled_from([[], [("first", "5")], [("last", "5")]]))
def test_other_parameters_are_kept_in_order_and_repeated(parameters, size):
    page = {"first", "after", "last", "before"}
    kept = [(name, value) for name, value in parameters if name not in page]
    for rel, target in page_links("/a", [*kept, *size], MIDDLE).items():
        found = parse_qsl(urlsplit(target).query, keep_blank_values=True)
        assert [each for each in found if each[0] not in page] == kept, rel
        assert len(found) == len(kept) + len(size) + (rel != "first")


@given(st.text(), st.lists(st.tuples(TEXT, TEXT), max_size=3))
def test_a_header_is_one_line_of_ascii_whatever_the_request_was(path, parameters):
    header = link_header(page_links(f"/{path}", parameters, MIDDLE))
    assert header.isascii()
    assert header.isprintable()
    rels = [part.partition(">; ")[2] for part in header.split(", ")]
    assert rels == ['rel="first"', 'rel="prev"', 'rel="next"']


@pytest.mark.parametrize(
    ("path", "shown"), [("/a%b/1", "/a%25b/1"), ("/Größe", "/Gr%C3%B6%C3%9Fe"), ("/a,b", "/a%2Cb")]
)
def test_a_path_is_escaped(path, shown):
    assert page_links(path, [], MIDDLE)["first"] == shown
    assert link_header(page_links(path, [], MIDDLE)).startswith(f'<{shown}>; rel="first"')


def test_targets_of_ones_own_are_taken_as_they_are():
    target = "https://example.org/a?b=%20c&d=[1]#e"
    assert link_header({"about": target}) == f'<{target}>; rel="about"'
    assert link_header({"about": "/a b,c>"}) == '</a%20b%2Cc%3E>; rel="about"'


@pytest.mark.parametrize(
    ("number", "items", "pages", "expected"),
    [
        (1, 2, 3, {"first": 1, "next": 2, "last": 3}),
        (2, 2, 3, {"first": 1, "prev": 1, "next": 3, "last": 3}),
        (3, 1, 3, {"first": 1, "prev": 2, "last": 3}),
        (9, 0, 3, {"first": 1, "prev": 8, "last": 3}),
        (1, 0, 0, {"first": 1}),
        (2, 2, None, {"first": 1, "prev": 1, "next": 3}),
        (3, 0, None, {"first": 1, "prev": 2}),
    ],
)
def test_numbered_pages(number, items, pages, expected):
    shown = [0] * items
    for page in (
        NumberedPage[int](items=shown, number=number, size=2, pages=pages),
        JsonNumberedPage(json.dumps(shown).encode(), number, 2, pages=pages),
    ):
        links = number_links("/a", [("q", "x"), ("page", "7"), ("size", "9")], page)
        assert links == {rel: f"/a?q=x&page={to}&size=2" for rel, to in expected.items()}
