"""Data for plain foreign keys."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from batchrepo.testing.contract.data.building import (
    KEYS,
    TIMES,
    Rows,
    keyed,
    names,
    ranks,
    reference,
    table,
)

SAMPLE: Rows = {
    "author": table("id full_name", (1, "Ann"), (0, "Zero"), (2, "No books"), (3, "Ann")),
    "passport": table("id number author_id", (9, "P9", 1), (1, "P1", 0), (5, "nobody's", None)),
    "publisher": table("publisher_id name", (0, "Nought"), (7, "Seven"), (8, "Idle")),
    "book": table(
        "id title book_code rating price published_at synopsis author_id publisher_ref",
        (10, "Same", "X1", 2, Decimal("9.99"), TIMES[0], "long text", 1, 7),
        (11, "Same", "X2", 2, Decimal("0.10"), TIMES[3], None, 1, 0),
        (12, "Abc", None, None, None, None, None, 1, None),
        (13, "abc", "", 0, Decimal("0.00"), TIMES[4], "", 1, 7),
        (1, "Key of an author", "X1", 1, Decimal("12345678.90"), TIMES[1], None, 0, 0),
        (14, "Nobody's", None, 1, None, None, None, None, 7),
        (15, "Ann's too", None, None, None, None, None, 3, None),
    ),
}
"""Ties and NULLs in order columns, key 0, an author without books, a book without an author."""

BOOK_KEYS = (*KEYS, 10, 11, 12)


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Any small library."""
    authors = draw(keyed("id", full_name=names))
    publishers = draw(keyed("publisher_id", name=names))
    passports = draw(keyed("id", number=names))
    owners = draw(st.permutations([row["id"] for row in authors] + [None] * len(passports)))
    return {
        "author": authors,
        "publisher": publishers,
        "passport": [row | {"author_id": owner} for row, owner in zip(passports, owners, strict=False)],
        "book": draw(
            keyed(
                "id",
                BOOK_KEYS,
                at_most=8,
                title=names,
                book_code=st.none() | names,
                rating=ranks,
                price=st.none() | st.decimals("0.00", "99999999.99", places=2, allow_nan=False),
                published_at=st.none() | st.sampled_from(TIMES),
                synopsis=st.none() | names,
                author_id=reference(authors),
                publisher_ref=reference(publishers, "publisher_id"),
            )
        ),
    }
