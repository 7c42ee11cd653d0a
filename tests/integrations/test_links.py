"""`Link` headers, as RFC 8288 has them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrepo.integrations.links import cursor_links, link_header, number_links


def middle(parameters, path="/albums"):
    return cursor_links(
        path, parameters, size=20, start_cursor="s", end_cursor="e", has_previous=True, has_next=True
    )


def test_a_page_in_the_middle_has_all_links():
    assert middle([("first", "20"), ("after", "x")]) == {
        "first": "/albums?first=20",
        "prev": "/albums?last=20&before=s",
        "next": "/albums?first=20&after=e",
    }


@pytest.mark.parametrize("has_previous", [True, False])
@pytest.mark.parametrize("has_next", [True, False])
def test_there_is_a_link_where_there_is_a_page(has_previous, has_next):
    links = cursor_links(
        "/a", [], size=1, start_cursor="s", end_cursor="e", has_previous=has_previous, has_next=has_next
    )
    assert ("prev" in links, "next" in links) == (has_previous, has_next)
    assert "first" in links


def test_an_empty_page_leads_to_the_first():
    links = cursor_links(
        "/a", [("after", "z")], size=5, start_cursor=None, end_cursor=None, has_previous=True, has_next=False
    )
    assert links == {"first": "/a?first=5"}


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=5))
def test_other_parameters_are_kept_in_order_and_repeated(parameters):
    page = {"first", "after", "last", "before"}
    kept = [(name, value) for name, value in parameters if name not in page]
    for rel, target in middle(parameters).items():
        found = parse_qsl(urlsplit(target).query, keep_blank_values=True)
        assert [each for each in found if each[0] not in page] == kept, rel
        assert len(found) == len(kept) + (1 if rel == "first" else 2)


@given(st.text(), st.lists(st.tuples(st.text(), st.text()), max_size=3))
def test_a_header_is_one_line_of_ascii_whatever_the_request_was(path, parameters):
    header = link_header(middle(parameters, f"/{path}"))
    assert header.isascii()
    assert header.isprintable()
    assert [part.partition(">; ")[2] for part in header.split(", ")] == [
        'rel="first"',
        'rel="prev"',
        'rel="next"',
    ]


@pytest.mark.parametrize(
    ("path", "shown"), [("/a%b/1", "/a%25b/1"), ("/Größe", "/Gr%C3%B6%C3%9Fe"), ("/a,b", "/a%2Cb")]
)
def test_a_path_is_escaped(path, shown):
    assert middle([], path)["first"] == f"{shown}?first=20"


def test_targets_of_ones_own_are_taken_as_they_are():
    target = "https://example.org/a?b=%20c&d=[1]#e"
    assert link_header({"about": target}) == f'<{target}>; rel="about"'
    assert link_header({"about": "/a b,c>"}) == '</a%20b%2Cc%3E>; rel="about"'


def test_numbered_pages():
    def links(**given):
        return number_links("/a", [("q", "x"), ("page", "2"), ("size", "9")], size=10, **given)

    assert links(number=2, last=3, has_next=True) == {
        "first": "/a?q=x&page=1&size=10",
        "prev": "/a?q=x&page=1&size=10",
        "next": "/a?q=x&page=3&size=10",
        "last": "/a?q=x&page=3&size=10",
    }
    assert set(links(number=1, last=None, has_next=False)) == {"first"}
