"""The single strategy: a plan as one statement, whose texts go out as they come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from batchrepo.plan.naming import field_name, output_name
from batchrepo.plan.read import AggregateField, ColumnField, FetchedField, FlatField, Include
from batchrepo.sql.json.encoders import DATABASES, encoder_of
from batchrepo.sql.json.texts import INEXACT
from batchrepo.strategies.cascade import CascadeBuilder, kind_of, labelled, selected_of
from batchrepo.strategies.paging import Found, found_of, page_statement, refusing_values
from batchrepo.strategies.root import Rooted, root_statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

    from batchrepo.declare.orders import OrderTerm
    from batchrepo.declare.repository_info import Catalog
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.plan.forms import Form
    from batchrepo.plan.planner import Output
    from batchrepo.plan.read import Field, ReadPlan
    from batchrepo.sql.pages import Paged
    from batchrepo.sql.parameters import Conditions
    from batchrepo.sql.statement import Statement
    from batchrepo.strategies.context import ReadContext
    from batchrepo.strategies.paging import Walk


class SingleStrategy:
    """One statement. Makes JSON of what its database writes exactly.

    Args:
        dialect: of the database.
    """

    name = "single"

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def why_not(self, plan: ReadPlan, output: Output, catalog: Catalog) -> str | None:
        """It refuses all but JSON, databases and types that it does not know, pages inside of rows, and functions."""
        if output != "json":
            return f"it makes JSON, not {output}"
        if self.dialect.name not in DATABASES:
            return f"it does not know how {self.dialect.name} writes JSON"
        for part in plan.walk():
            for field in part.fields:
                refusal = self._refusal(field, part.form_of(field))
                if refusal is not None:
                    return f"{_shown(part, field)}: {refusal}"
        return None

    def avoids(self, plan: ReadPlan, output: Output, catalog: Catalog) -> str | None:
        """It leaves what it was measured to be slower for to others, and relations that are declared to be batched."""
        if self.dialect.name == "sqlite":
            return "SQLite runs in this process, where making texts costs more than reading rows"
        below = list(_below(plan))
        if not below:
            return "there is nothing below the rows, and reading them is one statement anyway"
        for relation in below:
            if catalog.policy(relation) == "batch":
                return f"{relation} has the policy 'batch'"
            if relation.key_order is None and not relation.indexed:
                return f"no index of the schema starts with the columns by which {relation} is looked up"
        return None

    def prefers(self, plan: ReadPlan, output: Output, catalog: Catalog) -> str | None:
        """Whatever it does not avoid."""
        return "one statement, whose JSON goes out as it comes"

    def _refusal(self, field: Field, form: Form | None) -> str | None:
        kind: TypeEngine[Any] | None = None
        match field:
            case Include(page=page):
                return (
                    None if page is None else "the cursors of pages inside of rows are not made by a database"
                )
            case FetchedField():
                return "its values come from a function"
            case ColumnField(column=column) | FlatField(column=column):
                kind = None if column is None else column.type
            case AggregateField(aggregate=aggregate):
                kind = kind_of(aggregate)
        if kind is None:
            return "the type of what it reads is not surely known"
        if encoder_of(kind, self.dialect, form) is None:
            shown = "" if form is None else f" as {form.kind}"
            return f"{self.dialect.name} has no exact JSON for values of type {kind!r}{shown}"
        return None


def _below(plan: ReadPlan) -> Iterator[RelationInfo]:
    """The relations that are followed, at any depth."""
    for part in plan.walk():
        for field in part.fields:
            match field:
                case Include(relation=relation):
                    yield relation
                case FlatField(path=path):
                    yield from path
                case AggregateField(aggregate=aggregate):
                    yield aggregate.relation
                case ColumnField() | FetchedField():
                    pass


def _shown(plan: ReadPlan, field: Field) -> str:
    owner = plan.view.__name__ if plan.view is not None else plan.entity.name
    return f"{owner}.{field.name}"


@dataclass(frozen=True, eq=False)
class _Texts:
    """Builds the statement of a plan around that of its root, or of a page."""

    plan: ReadPlan
    context: ReadContext
    by_alias: bool

    @property
    def columns(self) -> list[Any]:
        return labelled(selected_of(self.plan).columns)

    @property
    def identity(self) -> tuple[Any, ...]:
        return "single", self.plan, self.by_alias

    def __call__(self, root: Statement, entities: tuple[EntityInfo, ...]) -> Rooted:
        return self._builder().build(root, entities)

    def of_page(self, page: Paged) -> Paged:
        width = len(page.statement.selected_columns)
        probes = range(page.probes, width)
        made = self._builder().build(page.statement, page.entities, (*page.places, *probes))
        places = tuple(range(1, 1 + len(page.places)))
        return replace(
            page,
            statement=made.statement,
            entities=made.entities,
            places=places,
            probes=1 + len(places),
        )

    def _builder(self) -> CascadeBuilder:
        context = self.context
        return CascadeBuilder(
            self.plan,
            context.guards,
            context.door.dialect,
            guarded=context.reading.guarded,
            name_of=output_name if self.by_alias else field_name,
        )


async def find_texts(
    plan: ReadPlan,
    context: ReadContext,
    *,
    by_alias: bool,
    where: Sequence[Any],
    order: Sequence[OrderTerm],
    limit: int | None,
    offset: int | None = None,
    cause: str,
) -> list[str] | None:
    """The JSON of each row of a plan's entity. One statement.

    Args:
        plan: what is read.
        context: the scope.
        by_alias: whether fields have their aliases as names.
        where: conditions of the caller.
        order: of the rows.
        limit: at most so many, or None.
        offset: so many are left out first, or None.
        cause: for the report.

    Returns:
        The texts, or None if there is a value that the database cannot write exactly, or no row where one must be: what
        the batched strategy gives, or raises, is right then.
    """
    texts = _Texts(plan, context, by_alias)
    built, params = root_statement(
        plan.entity,
        (),
        context,
        where=where,
        order=order,
        limit=limit,
        offset=offset,
        around=texts,
    )
    rows = await context.door.rows(built.statement, params, cause=cause)
    return _exact([row[0] for row in rows])


async def page_of_texts(
    plan: ReadPlan,
    context: ReadContext,
    walk: Walk,
    *,
    by_alias: bool,
    where: Sequence[Any],
    cause: str,
) -> Found | None:
    """One page of a plan's entity: its rows are texts. One statement; the arguments are those of `find_texts`.

    Returns:
        The page, or None as `find_texts`.
    """
    texts = _Texts(plan, context, by_alias)
    paged, params = page_statement(plan.entity, (), context, walk, where, texts)
    with refusing_values(walk):
        rows = await context.door.rows(paged.statement, params, cause=cause)
    found = found_of(rows, walk, paged.places, paged.probes)
    exact = _exact([row[0] for row in found.rows])
    return None if exact is None else replace(found, rows=exact)


def _exact(texts: list[str]) -> list[str] | None:
    return None if any(INEXACT in text for text in texts) else texts


MOST_ROWS = 500
"""Up to so many rows of the root AUTO takes one statement. Where there may be more, PostgreSQL is soon better off with
keys that it is given: it does not know how many rows a part of a statement will have, and reads whole tables instead."""


def pays(context: ReadContext, where: Conditions, rows: int | None) -> bool:
    """Whether AUTO should go through with it, as far as only the call tells.

    Args:
        context: the scope.
        where: conditions of the caller. Those that leave no statement to be kept make building one cost more than it saves.
        rows: at most so many are read, or None.
    """
    few = rows is not None and rows <= MOST_ROWS
    return few and not context.guards.per_scope and where.placed is not None


def array_of(texts: Sequence[str]) -> bytes:
    """The JSON array of texts."""
    return f"[{','.join(texts)}]".encode()
