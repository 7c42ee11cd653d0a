"""Data for composite keys."""

from __future__ import annotations

from hypothesis import strategies as st

from batchrepo.testing.contract.data.building import Row, Rows, keyed, links, names, ranks, table

SAMPLE: Rows = {
    "region": table(
        "country code label",
        ("a", "b", "Ab"),
        ("b", "a", "Ba"),
        ("a", "a", "Ab"),
        ("", "a", "Empty"),
        ("a,b", "c", "Left"),
        ("a", "b,c", "Right"),
        ("z", "z", "Idle"),
    ),
    "city": table(
        "id name region_code country",
        (1, "Twin", "b", "a"),
        (2, "Twin", "b", "a"),
        (3, "Other", "a", "b"),
        (4, "Corner", "a", ""),
        (5, "Half", "b", None),
        (6, "Other half", None, "a"),
        (7, "None", None, None),
        (8, "Left", "c", "a,b"),
        (9, "Right", "b,c", "a"),
        (10, "Half of nothing", "nowhere", None),
    ),
    "festival": table(
        "year name visitors", (2020, "x", 5), (2020, "y", None), (2021, "x", 0), (1999, "", 1), (0, "idle", 2)
    ),
    "region_festival": table(
        "region_country region_code festival_year festival_name",
        ("a", "b", 2020, "x"),
        ("a", "b", 2021, "x"),
        ("b", "a", 2020, "y"),
        ("a", "a", 2020, "x"),
        ("b", "a", 2020, "x"),
        ("", "a", 1999, ""),
    ),
    "sales_order": table(
        "tenant number note", (1, 1, "a"), (1, 2, "b"), (2, 1, "c"), (2, 2, "idle"), (0, 0, "e")
    ),
    "order_line": table(
        "tenant number position article",
        (1, 1, 1, "bolt"),
        (1, 1, 2, "nut"),
        (1, 2, 1, "cap"),
        (2, 1, 1, "rod"),
        (0, 0, 0, "pin"),
    ),
}
"""Half-NULL keys; pairs whose values swapped or mixed are other rows; texts that join to one another."""

PARTS = ("a", "b", "", "a,b", "b,c", "c")
PAIRS = tuple((country, code) for country in PARTS for code in PARTS)
NUMBERS = tuple((tenant, number) for tenant in (0, 1, 2) for number in (0, 1, 2))
FESTIVALS = tuple((year, name) for year in (0, 2020, 2021) for name in ("x", ""))
LINES = tuple((*pair, position) for pair in NUMBERS for position in (0, 1))


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Any small set of regions, cities, festivals and orders."""
    regions = draw(keyed("country code", PAIRS, label=names))
    festivals = draw(keyed("year name", FESTIVALS, visitors=ranks))
    orders = draw(keyed("tenant number", NUMBERS, note=names))
    held = draw(links(regions, festivals))
    known = {(row["tenant"], row["number"]) for row in orders}
    lines = draw(keyed("tenant number position", LINES, at_most=12, article=names))
    return {
        "region": regions,
        "city": [row | draw(_region_key(regions)) for row in draw(keyed("id", at_most=6, name=names))],
        "festival": festivals,
        "region_festival": [
            {
                "region_country": region["country"],
                "region_code": region["code"],
                "festival_year": festival["year"],
                "festival_name": festival["name"],
            }
            for region, festival in held
        ],
        "sales_order": orders,
        "order_line": [row for row in lines if (row["tenant"], row["number"]) in known],
    }


@st.composite
def _region_key(draw: st.DrawFn, regions: list[Row]) -> Row:
    """A whole key of a region that is there, or a half or none of any: a half is not checked by databases."""
    region = draw(st.none() | st.sampled_from(regions)) if regions else None
    if region is not None:
        return {"country": region["country"], "region_code": region["code"]}
    halves = st.sampled_from(
        [(None, None), *((part, None) for part in PARTS), *((None, part) for part in PARTS)]
    )
    country, code = draw(halves)
    return {"country": country, "region_code": code}
