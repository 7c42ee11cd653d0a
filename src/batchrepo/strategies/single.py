"""The single strategy: a plan as one statement, whose texts go out as they come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from batchrepo.plan.read import AggregateField, ColumnField, FetchedField, FlatField, Include
from batchrepo.sql.json.encoders import DATABASES
from batchrepo.sql.json.texts import INEXACT
from batchrepo.sql.rows import Lookup, keyed_rows
from batchrepo.strategies.batched import run_keyed
from batchrepo.strategies.cascade import CascadeBuilder, kind_of, labelled, selected_of
from batchrepo.strategies.form import ViewForm
from batchrepo.strategies.paging import Found, found_of, page_statement, refusing_values
from batchrepo.strategies.root import Rooted, root_statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

    from batchrepo.declare.orders import OrderTerm
    from batchrepo.declare.repository_info import Catalog
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.plan.planner import Output
    from batchrepo.plan.read import Field, ReadPlan
    from batchrepo.sql.keys import Key
    from batchrepo.sql.pages import Paged
    from batchrepo.sql.parameters import Conditions
    from batchrepo.sql.rows import Keyed
    from batchrepo.sql.statement import Statement
    from batchrepo.strategies.context import ReadContext
    from batchrepo.strategies.form import Form
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
        return refusal_of(plan, ViewForm(), self.dialect)

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


def refusal_of(plan: ReadPlan, form: Form, dialect: Dialect) -> str | None:
    """Why a database cannot write the rows of a plan in a form, naming the field; None if it can."""
    for part in plan.walk():
        for field in part.fields:
            refusal = _refusal(part, field, form, dialect)
            if refusal is not None:
                return f"{_shown(part, field)}: {refusal}"
    return None


def _refusal(plan: ReadPlan, field: Field, form: Form, dialect: Dialect) -> str | None:
    kind: TypeEngine[Any] | None = None
    match field:
        case Include(page=page):
            return None if page is None else "the cursors of pages inside of rows are not made by a database"
        case FetchedField():
            return "its values come from a function"
        case ColumnField(column=column) | FlatField(column=column):
            kind = None if column is None else column.type
        case AggregateField(aggregate=aggregate):
            kind = kind_of(aggregate)
    if kind is None:
        return "the type of what it reads is not surely known"
    if form.encoder(plan, field, kind, dialect) is None:
        leaf = plan.leaf_of(field)
        shown = "" if leaf is None else f" as {leaf.kind}"
        return f"{dialect.name} has no exact JSON for values of type {kind!r}{shown}"
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
    form: Form

    @property
    def columns(self) -> list[Any]:
        return labelled(selected_of(self.plan).columns)

    @property
    def identity(self) -> tuple[Any, ...]:
        return "single", self.plan, self.form

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

    def of_keys(self) -> Keyed:
        """The statement for a batch of primary keys: a text for each that has a row, then the match columns."""
        entity, context = self.plan.entity, self.context
        builder = self._builder()
        lookup = Lookup(entity, columns=entity.key)
        keyed = keyed_rows(lookup, builder.columns, context.guards, context.door.dialect)
        made = builder.build(keyed.statement, keyed.entities, keyed.match)
        places = tuple(range(1, 1 + len(keyed.match)))
        return replace(keyed, statement=made.statement, entities=made.entities, match=places)

    def _builder(self) -> CascadeBuilder:
        context = self.context
        return CascadeBuilder(
            self.plan,
            context.guards,
            context.door.dialect,
            guarded=context.reading.guarded,
            form=self.form,
        )


async def find_texts(
    plan: ReadPlan,
    context: ReadContext,
    *,
    form: Form,
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
        form: how the JSON looks.
        where: conditions of the caller.
        order: of the rows.
        limit: at most so many, or None.
        offset: so many are left out first, or None.
        cause: for the report.

    Returns:
        The texts, or None if there is a value that the database cannot write exactly, or no row where one must be: what
        the batched strategy gives, or raises, is right then.
    """
    texts = _Texts(plan, context, form)
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
    return exact_of([row[0] for row in rows])


async def page_of_texts(
    plan: ReadPlan,
    context: ReadContext,
    walk: Walk,
    *,
    form: Form,
    where: Sequence[Any],
    cause: str,
) -> Found | None:
    """One page of a plan's entity: its rows are texts. One statement; the arguments are those of `find_texts`.

    Returns:
        The page, or None as `find_texts`.
    """
    texts = _Texts(plan, context, form)
    paged, params = page_statement(plan.entity, (), context, walk, where, texts)
    with refusing_values(walk):
        rows = await context.door.rows(paged.statement, params, cause=cause)
    found = found_of(rows, walk, paged.places, paged.probes)
    exact = exact_of([row[0] for row in found.rows])
    return None if exact is None else replace(found, rows=exact)


async def texts_by_keys(
    plan: ReadPlan, context: ReadContext, keys: Sequence[Key], *, form: Form
) -> dict[Key, str]:
    """The JSON of the rows of a plan's entity that have these primary keys, by key. One statement.

    Args:
        plan: what is read.
        context: the scope.
        keys: each once.
        form: how the JSON looks.

    Returns:
        The texts of those that have a row (that this scope may see), for `exact_of` to look at.
    """
    texts = _Texts(plan, context, form)
    cache_key = (*texts.identity, "by key")
    keyed = context.guards.statements.get(cache_key)
    if keyed is None:
        keyed = context.guards.statements[cache_key] = texts.of_keys()
    rows, matched = await run_keyed(keyed, keys, f"{plan.entity.name} by key", context)
    return {key: row[0] for key, row in zip(matched, rows, strict=True)}


def exact_of(texts: list[str]) -> list[str] | None:
    """Texts, or None if one of them has what the database cannot write exactly: what the batched strategy gives is right."""
    return None if any(INEXACT in text for text in texts) else texts


MOST_ROWS = 500
"""Up to so many rows of the root AUTO takes one statement. Where there may be more, PostgreSQL is soon better off with
keys that it is given: it does not know how many rows a part of a statement will have, and reads whole tables instead."""


MOST_KEYS = 1_000
"""Up to so many keys AUTO takes one statement: that many it was measured for. PostgreSQL knows how many keys it is given."""


def pays(context: ReadContext, where: Conditions, rows: int | None) -> bool:
    """Whether AUTO should go through with it, as far as only the call tells.

    Args:
        context: the scope.
        where: conditions of the caller. Those that leave no statement to be kept make building one cost more than it saves.
        rows: at most so many are read, or None.
    """
    few = rows is not None and rows <= MOST_ROWS
    return few and not context.guards.per_scope and where.placed is not None


def pays_by_keys(context: ReadContext, keys: int) -> bool:
    """The same for rows that so many primary keys are given of."""
    return keys <= MOST_KEYS and not context.guards.per_scope


def array_of(texts: Sequence[str]) -> bytes:
    """The JSON array of texts."""
    return f"[{','.join(texts)}]".encode()
