"""The measured tables of README.md, between their marks; the text around them is nobody's but its writers'."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.figures.numbers import milliseconds
from benchmarks.results import Results

Cell = tuple[str, str] | None
"""A workload and one of its stacks, whose number stands there; None for nothing."""


@dataclass(frozen=True)
class Measured:
    """A table: a heading for each column, and rows of a name and cells."""

    headings: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


TABLES = {
    "nested": Measured(
        (
            "50 posts with author, tags and latest 3 comments (PostgreSQL, `make bench`)",
            "to JSON, ms",
            "GraphQL, ms",
            "HTTP, requests/s",
        ),
        (
            (
                "batchrepo",
                (
                    ("nested_list", "batchrepo_single"),
                    ("nested_graphql", "batchrepo"),
                    ("nested_http", "batchrepo"),
                ),
            ),
            (
                "by hand: json_agg and asyncpg; DataLoaders over Core; Core and orjson",
                (
                    ("nested_list", "statement_by_hand"),
                    ("nested_graphql", "loaders_core"),
                    ("nested_http", "fastapi_core"),
                ),
            ),
            (
                "SQLAlchemy's ORM: selectinload; DataLoaders; `response_model`",
                (
                    ("nested_list", "orm_selectinload"),
                    ("nested_graphql", "loaders_orm"),
                    ("nested_http", "fastapi_selectinload"),
                ),
            ),
            (
                "the ORM, loading as it goes; strawchemy",
                (("nested_list", "naive_loop"), ("nested_graphql", "strawchemy"), None),
            ),
        ),
    ),
    "deep_page": Measured(
        ("20 of 500,000 comments to JSON (PostgreSQL, `make bench`), milliseconds", "page 1", "page 5,000"),
        [
            (said, (("deep_page", f"{stack}_first"), ("deep_page", f"{stack}_deep")))
            for said, stack in (
                ("batchrepo, `page_json`: true flags, a cursor", "batchrepo"),
                ("keyset written by hand with SQLAlchemy Core", "core"),
                ("sqlakeyset", "sqlakeyset_core"),
                ("`LIMIT` and `OFFSET`", "offset"),
                ("the same with a count of all rows", "offset_count"),
            )
        ],
    ),
    "bulk": Measured(
        (
            "50,000 rows (PostgreSQL, `make bench`, the same machine), milliseconds",
            "insert",
            "update by key",
            "upsert",
        ),
        (
            (
                "batchrepo",
                [("bulk_insert", "batchrepo"), ("bulk_update", "batchrepo"), ("bulk_upsert", "batchrepo")],
            ),
            (
                "asyncpg's COPY by hand, with a temporary table for the others",
                (("bulk_insert", "copy"), ("bulk_update", "copy_update"), ("bulk_upsert", "copy_upsert")),
            ),
            (
                "SQLAlchemy Core, executemany",
                [(f"bulk_{kind}", "core_executemany") for kind in ("insert", "update", "upsert")],
            ),
            (
                "SQLAlchemy's unit of work",
                (("bulk_insert", "orm_add_all"), ("bulk_update", "orm_flush"), None),
            ),
            (
                "advanced-alchemy",
                (("bulk_insert", "advanced_alchemy"), None, ("bulk_upsert", "advanced_alchemy")),
            ),
        ),
    ),
}
"""By the name in their marks."""

BEGIN, END = "<!-- measured: {} -->", "<!-- /measured -->"
"""The marks: a table of measured numbers stands between them."""


def with_tables(readme: str, results: Results) -> str:
    """README.md with its measured tables made anew.

    Raises:
        ValueError: a table has no marks, or marks have no table.
    """
    marked = re.findall(BEGIN.format("(.+)"), readme)
    if sorted(marked) != sorted(TABLES):
        raise ValueError(
            f"README.md: expected marks {BEGIN!r} for {sorted(TABLES)}; got {sorted(marked)}. Add or remove marks."
        )
    for name, measured in TABLES.items():
        between = re.compile(f"({re.escape(BEGIN.format(name))}\n).*?({re.escape(END)})", re.DOTALL)
        made = table(measured, results)
        readme = between.sub(lambda found, made=made: f"{found[1]}\n{made}\n{found[2]}", readme, count=1)  # type: ignore[misc]
    return readme


def table(measured: Measured, results: Results) -> str:
    """A table as Markdown. Where a stack was not measured, the cell is empty."""
    lines = [
        f"| {' | '.join(measured.headings)} |",
        f"|---|{'---:|' * (len(measured.headings) - 1)}",
        *(
            f"| {' | '.join((said, *(_number(cell, results) for cell in cells)))} |"
            for said, cells in measured.rows
        ),
    ]
    return "\n".join(re.sub(r"\| +(?=\|)", "| ", line) for line in lines) + "\n"


def _number(cell: Cell, results: Results) -> str:
    if cell is None:
        return ""
    workload, stack = cell
    for record in results.of(workload):
        if record.get("stack") == stack:
            if "requests_per_s" in record:
                return f"{record['requests_per_s']:,.0f}"
            return milliseconds(record["median_ms"])
    return ""
