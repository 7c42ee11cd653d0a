"""Data for relations of a table with itself."""

from __future__ import annotations

from hypothesis import strategies as st

from batchrepo.testing.contract.data.building import KEYS, Row, Rows, keyed, links, names, reference, table

SAMPLE: Rows = {
    "node": table(
        "id name parent_id",
        (1, "root", None),
        (0, "second root", None),
        (2, "twin", 1),
        (3, "twin", 1),
        (4, "a", 1),
        (5, "leaf", 3),
        (6, "child of nought", 0),
        (7, "own parent", 7),
    ),
    "person": table("id name", (1, "Ann"), (0, "Bob"), (2, "Ann"), (3, "Alone")),
    "friendship": table("person_id friend_id", (1, 0), (0, 1), (1, 2), (2, 2), (0, 2)),
}
"""Two roots, siblings of equal name, a node that is its own parent, friends one way, both ways, of oneself."""


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Any small forest, and any friendships."""
    nodes: list[Row] = []
    for row in draw(keyed("id", (*KEYS, 10, 11), at_most=8, name=names)):
        # Parents come first, as databases check a foreign key when the row is inserted; a row may name itself.
        nodes.append(row | {"parent_id": draw(reference([*nodes, row]))})
    people = draw(keyed("id", name=names))
    friends = draw(links(people, people))
    return {
        "node": nodes,
        "person": people,
        "friendship": table("person_id friend_id", *((a["id"], b["id"]) for a, b in friends)),
    }
