"""Links between pages lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, text_of


def headings(page: Path) -> set[str]:
    """The anchors of a page, as a forge makes them from its headings."""
    found = re.findall(r"^#+ +(.+?) *$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def links_of(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", text_of(page))


def leads_nowhere(page: Path, link: str) -> str | None:
    """What is wrong with a link, or None. Addresses of other sites are not asked."""
    if re.match(r"[a-z]+:", link):
        return None
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if path.startswith("/") or not target.resolve().is_relative_to(ROOT):
        return f"{link}: leads out of the project"
    if not target.exists():
        return f"{link}: there is no such file"
    if anchor and anchor not in headings(target):
        return f"{link}: {target.name} has no such heading"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path):
    assert [wrong for link in links_of(page) if (wrong := leads_nowhere(page, link))] == []


def test_there_are_links_to_check():
    assert "docs/architecture.md" in links_of(ROOT / "README.md")


@pytest.mark.parametrize("link", ["docs/nothing.md", "/docs/architecture.md", "../x.md", "#no-such-heading"])
def test_a_wrong_link_is_noticed(link: str):
    assert leads_nowhere(ROOT / "README.md", link)


@pytest.mark.parametrize("link", ["#try-it", "docs/architecture.md#the-rooms", "https://example.org/"])
def test_a_right_link_is_right(link: str):
    assert leads_nowhere(ROOT / "README.md", link) is None
