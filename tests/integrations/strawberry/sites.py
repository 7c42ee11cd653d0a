"""The store of two sites as GraphQL sees it: its Database, its schemas, and the cursors of all rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

import strawberry

from batchrepo import Database
from tests.criteria.rows import SITES
from tests.integrations.strawberry.documents import Document
from tests.integrations.strawberry.naive import Cursors, Naive
from tests.integrations.strawberry.site_types import make_schema

ALL_CURSORS = """{
    pages(first: 200) { ...Pages }
    someMembers(first: 200) { edges { cursor node { id } } }
    allMembers { pages(first: 200) { ...Pages } read(first: 200) { ...Pages } }
    allPages {
        labels { edges { cursor node { id } } }
        remarks { edges { cursor node { id } } }
        chapters { edges { cursor node { pageId number } } }
    }
    allChapters { notes { edges { cursor node { id } } } }
}
fragment Pages on PageConnection { edges { cursor node { id } } }"""


@dataclass(frozen=True)
class Sites:
    """All ways to answer a document, and what tells right answers.

    Attributes:
        database: of the store.
        ahead: the schema, which reads rows.
        whole: the same, with one statement for each root field whose answer can be written by the database.
        visited: the same, without the pass-through.
        stepwise: the same, without both it and look-ahead.
        passing: the pass-through without look-ahead: of what is loaded by itself.
        cursors: texts of cursors for each site, by the type of the connection; ``pages``: of the root field.
        naive: the oracle.
    """

    database: Database
    ahead: strawberry.Schema
    whole: strawberry.Schema
    visited: strawberry.Schema
    stepwise: strawberry.Schema
    passing: strawberry.Schema
    cursors: dict[int, dict[str, list[str]]]
    naive: Naive

    async def check(self, document: Document, site: int) -> Erased:
        """Asks in all ways what a site sees: the answers must be equal, keys in their order. Returns the errors."""
        expected = self.naive.answer(document.text, document.variables, site)
        data, errors = expected.data, erased(expected.errors)
        if document.refused:  # before anything is read, with no path
            data, errors = None, {((), "INVALID_ARGUMENT")}
        for schema in (self.ahead, self.whole, self.visited, self.stepwise, self.passing):
            found = await schema.execute(
                document.text,
                variable_values=document.variables,
                context_value=site,
                operation_extensions={"batchrepo": True},
            )
            assert erased(found.errors) == errors, found.errors
            told = self.naive.cursors.told(found.data)
            assert told == data
            assert json.dumps(told) == json.dumps(data), "keys are not in the order of the document"
            if schema is self.ahead and not errors:
                check_misfits(found.extensions["batchrepo"]["pass_through"]["places"])
        assert self.database.engine.sync_engine.pool.checkedout() == 0, "a connection was not returned"
        return errors


BY_KEY = ("again", "ownPages", "membersOf")
"""Fields whose resolvers give objects that are not read yet, or not whole."""


def check_misfits(places: list[dict[str, Any]]) -> None:
    """What a plan was said to cover was in the rows: only objects that a resolver made may lack something."""
    for place in places:
        made = any(key.endswith(BY_KEY) for key in place["path"].split("."))
        assert made or not place["misfits"], place


Erased: TypeAlias = "set[tuple[tuple[str, ...], str | None]]"


def erased(errors: Any) -> Erased:
    """Errors as (fields of the path, code): of equal errors of a list's objects, some or all may be told."""
    return {
        (tuple(key for key in error.path or () if isinstance(key, str)), (error.extensions or {}).get("code"))
        for error in errors or ()
    }


async def open_sites(database: Database) -> Sites:
    """Reads all cursors, of a Database whose store is filled."""
    ahead, whole = (make_schema(database, report=True, strategy=name) for name in ("batched", "single"))
    visited = make_schema(database, pass_through=False)
    stepwise = make_schema(database, look_ahead=False, pass_through=False)
    passing = make_schema(database, look_ahead=False)
    meaning: dict[str, tuple[str, Any]] = {}
    texts: dict[int, dict[str, list[str]]] = {}
    for site in SITES:
        found = await ahead.execute(ALL_CURSORS, context_value=site)
        assert not found.errors, found.errors
        data: Any = found.data
        connections = {
            "pages": [("Page by size", data["pages"])],
            "MemberConnection": [("Member by key", data["someMembers"])],
            "PageConnection": [
                ("Page by key", member[name]) for member in data["allMembers"] for name in ("pages", "read")
            ],
            "NoteConnection": [("Note by key", chapter["notes"]) for chapter in data["allChapters"]],
            **{
                f"{kind}Connection": [(f"{kind} by key", page[name]) for page in data["allPages"]]
                for kind, name in (("Label", "labels"), ("Remark", "remarks"), ("Chapter", "chapters"))
            },
        }
        texts[site] = {}
        for kind, pages in connections.items():
            edges = [(order, edge) for order, page in pages for edge in page["edges"]]
            for order, edge in edges:
                key = tuple(edge["node"].values())
                stands_for = order, key if len(key) > 1 else key[0]
                assert meaning.setdefault(edge["cursor"], stands_for) == stands_for
            texts[site][kind] = sorted({edge["cursor"] for _, edge in edges})
    return Sites(
        database, ahead, whole, visited, stepwise, passing, texts, Naive(ahead.as_str(), Cursors(meaning))
    )
