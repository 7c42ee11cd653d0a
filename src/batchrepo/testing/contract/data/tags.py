"""Data for many-to-many relations."""

from __future__ import annotations

from hypothesis import strategies as st

from batchrepo.testing.contract.data.building import Rows, keyed, links, names, reference, table

SAMPLE: Rows = {
    "article": table("id title", (1, "One"), (0, "Nought"), (2, "Bare"), (3, "One")),
    "tag": table("id name", (1, "long"), (0, "b"), (2, "a"), (4, "a"), (5, "unused")),
    "reader": table("id name", (1, "Eve"), (2, "Eve"), (3, "Bob"), (4, "Idle")),
    "section": table("id name", (1, "News"), (0, "Empty key"), (2, "Idle")),
    "article_tag": table(
        "article_id tag_id position is_main",
        (1, 1, 3, 1),
        (1, 0, 1, 0),
        (1, 2, 2, 1),
        (1, 4, 7, 0),
        (0, 0, 9, 1),
        (0, 1, 5, 0),
        (3, 2, 0, 0),
    ),
    "article_reader": table(
        "article_id reader_id",
        (1, 1),
        (1, 1),
        (1, 2),
        (0, 2),
        (0, 2),
        (0, 2),
        (3, 3),
        (None, 1),
        (1, None),
    ),
    "article_section": table("article_id section_id", (1, 1), (0, 0), (3, 1)),
}
"""Pairs linked two and three times, halves of links, an article without links, children of equal name."""


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Any small set of articles with tags, readers and sections."""
    articles = draw(keyed("id", title=names))
    tags = draw(keyed("id", name=names))
    readers = draw(keyed("id", name=names))
    sections = draw(keyed("id", name=names))
    tagged = draw(links(articles, tags))
    # A position is used once, so that the order by a column of the link table has no ties.
    positions = draw(st.permutations(range(len(tagged))))
    read = draw(links(articles, readers, repeat=True))
    halves = [(draw(reference(articles)), None), (None, draw(reference(readers)))]
    placed = {row["id"]: draw(reference(sections)) for row in articles}
    return {
        "article": articles,
        "tag": tags,
        "reader": readers,
        "section": sections,
        "article_tag": [
            {"article_id": a["id"], "tag_id": t["id"], "position": p, "is_main": draw(st.integers(0, 1))}
            for (a, t), p in zip(tagged, positions, strict=True)
        ],
        "article_reader": table("article_id reader_id", *((a["id"], r["id"]) for a, r in read), *halves),
        "article_section": [
            {"article_id": article, "section_id": section}
            for article, section in placed.items()
            if section is not None
        ],
    }
