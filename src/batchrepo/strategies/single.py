"""The single strategy: a plan as one statement, whose texts go out as they come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from batchrepo.declare.orders import unique_order
from batchrepo.plan.read import AggregateField, ColumnField, FetchedField, FlatField, Include, PageSpec
from batchrepo.sql.json.encoders import DATABASES
from batchrepo.sql.json.order_texts import order_text_of
from batchrepo.sql.json.texts import INEXACT
from batchrepo.sql.keys import OneKey, equals_as_python, key_dialect
from batchrepo.sql.keyset import make_keyset
from batchrepo.sql.rows import Lookup, keyed_rows
from batchrepo.strategies.batched import run_keyed
from batchrepo.strategies.cascade import CascadeBuilder
from batchrepo.strategies.cascaded import kind_of, labelled, selected_of
from batchrepo.strategies.form import DecodedForm, ViewForm
from batchrepo.strategies.paging import Found, found_of, page_statement, refusing_values
from batchrepo.strategies.root import Rooted, root_statement
from batchrepo.strategies.spliced import spliced

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

    from batchrepo.declare.orders import OrderTerm
    from batchrepo.declare.repository_info import Catalog
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.plan.planner import Output
    from batchrepo.plan.read import Field, ReadPlan
    from batchrepo.sql.keys import Key, KeyDialect
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
        """It refuses databases, types and functions that it does not know, and views that JSON does not tell all of."""
        if output in ("entities", "views"):
            return f"it makes JSON, and {output} have more than that"
        if self.dialect.name not in DATABASES:
            return f"it does not know how {self.dialect.name} writes JSON"
        if output == "json":
            return refusal_of(plan, ViewForm(), self.dialect)
        if plan.pages:
            return f"{plan.pages[0].relation} is read by pages, which have more cursors than JSON shows"
        return refusal_of(plan, DecodedForm(), self.dialect)

    def avoids(self, plan: ReadPlan, output: Output, catalog: Catalog) -> str | None:
        """It leaves what it was measured to be slower for to others, unless a policy asks for it."""
        below = list(_below(plan))
        batched = next((relation for relation in below if catalog.policy(relation) == "batch"), None)
        if batched is not None:
            return f"{batched} has the policy 'batch'"
        if declared_single(plan, catalog) is not None:
            return None
        if self.dialect.name == "sqlite":
            return "SQLite runs in this process, where making texts costs more than reading rows"
        if output != "json":
            return "views are made of rows, unless JSON is asked for or a policy says 'single'"
        if not below:
            return "there is nothing below the rows, and reading them is one statement anyway"
        for relation in below:
            if relation.key_order is None and not relation.indexed:
                return f"no index of the schema starts with the columns by which {relation} is looked up"
        return None

    def prefers(self, plan: ReadPlan, output: Output, catalog: Catalog) -> str | None:
        """Whatever it does not avoid."""
        relation = declared_single(plan, catalog)
        if relation is not None:
            return f"{relation} has the policy 'single'"
        return (
            f"one statement, whose JSON goes out as it comes, of up to {MOST_ROWS} rows or {MOST_KEYS} keys"
        )


def declared_single(plan: ReadPlan, catalog: Catalog) -> RelationInfo | None:
    """The first relation of a plan, at any depth, whose policy is to be read by one statement."""
    return next((relation for relation in _below(plan) if catalog.policy(relation) == "single"), None)


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
        case Include(page=PageSpec() as spec):
            return _page_refusal(field, spec, dialect)
        case Include():
            return None
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


def _page_refusal(include: Include, spec: PageSpec, dialect: Dialect) -> str | None:
    if spec.size < 1:
        return "a page without a place for any row has no cursors"
    target = include.relation.target
    for term in make_keyset(unique_order(include.order, target), dialect).terms:
        if order_text_of(term, dialect) is None:
            return (
                f"{dialect.name} has no exact JSON for the cursors of an order by {term.expression}, whose type is "
                f"{term.expression.type!r}"
            )
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
        return self._builder().whole(root, entities)

    def of_page(self, page: Paged, walk: Walk) -> Paged:
        places = tuple(range(1, 1 + len(page.places)))
        others = (*page.places, *range(page.probes, len(page.statement.selected_columns)))
        made = self._builder().page(
            page.statement, page.entities, others, walk.most, page.places[-1], backward=walk.backward
        )
        return replace(
            page,
            statement=made.statement,
            entities=made.entities,
            places=places,
            probes=1 + len(places),
        )

    def of_keys(self) -> Keyed:
        """The statement for a batch of primary keys: a text for each that has a row, then the match columns."""
        dialect = self.context.door.dialect
        exact = all(equals_as_python(column.type) for column in self.plan.entity.key)
        # An array of one key is worth a plan of its own to PostgreSQL, again and again: that costs more than running it.
        one = self._of_keys(OneKey(dialect)) if exact and dialect.name == "postgresql" else None
        return replace(self._of_keys(key_dialect(dialect)), single=one)

    def _of_keys(self, keys: KeyDialect) -> Keyed:
        entity, builder = self.plan.entity, self._builder()
        lookup = Lookup(entity, columns=entity.key)
        keyed = keyed_rows(lookup, builder.columns, self.context.guards, keys.dialect, keys)
        made = builder.each(keyed.statement, keyed.entities, keyed.match)
        places = tuple(range(1, 1 + len(keyed.match)))
        return replace(keyed, statement=made.statement, entities=made.entities, match=places)

    def _builder(self) -> CascadeBuilder:
        context = self.context
        return CascadeBuilder(
            self.plan,
            context.guards,
            context.door.dialect,
            guarded=context.reading.guarded,
            paged=context.reading.paged,
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
    """The JSON of the rows of a plan's entity, as texts to be joined with commas: one each, or one of all. One statement.

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
    exact = exact_of([row[0] for row in rows if row[0] is not None])
    return None if exact is None else spliced(exact, plan, context)


async def page_of_texts(
    plan: ReadPlan,
    context: ReadContext,
    walk: Walk,
    *,
    form: Form,
    where: Sequence[Any],
    cause: str,
) -> Found | None:
    """One page of a plan's entity: its rows are texts, as those of `find_texts`. One statement; so are the arguments.

    Returns:
        The page, or None as `find_texts`.
    """
    texts = _Texts(plan, context, form)
    paged, params = page_statement(plan.entity, (), context, walk, where, texts)
    with refusing_values(walk):
        rows = await context.door.rows(paged.statement, params, cause=cause)
    found = found_of(rows, walk, paged.places, paged.probes)
    exact = exact_of([row[0] for row in found.rows if row[0] is not None])
    return None if exact is None else replace(found, rows=spliced(exact, plan, context))


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
    around = _Texts(plan, context, form)
    cache_key = (*around.identity, "by key")
    keyed = context.guards.statements.get(cache_key)
    if keyed is None:
        keyed = context.guards.statements[cache_key] = around.of_keys()
    rows, matched = await run_keyed(keyed, keys, f"{plan.entity.name} by key", context)
    texts = spliced([row[0] for row in rows], plan, context)
    return dict(zip(matched, texts, strict=True))


def exact_of(texts: list[str]) -> list[str] | None:
    """Texts, or None if one of them has what the database cannot write exactly: what the batched strategy gives is right."""
    return None if any(INEXACT in text for text in texts) else texts


MOST_ROWS = 500
"""Up to so many rows of the root AUTO takes one statement. Where there may be more, PostgreSQL is soon better off with
keys that it is given: it does not know how many rows a part of a statement will have, and reads whole tables instead."""


MOST_KEYS = 1_000
"""Up to so many keys AUTO takes one statement: that many it was measured for. PostgreSQL knows how many keys it is given."""


def pays(plan: ReadPlan, context: ReadContext, where: Conditions, rows: int | None) -> bool:
    """Whether AUTO should go through with it, as far as only the call tells.

    Args:
        plan: what is read.
        context: the scope.
        where: conditions of the caller. Those that leave no statement to be kept make building one cost more than it saves.
        rows: at most so many are read, or None.
    """
    few = rows is not None and rows <= MOST_ROWS and not context.guards.per_scope
    return (few and where.placed is not None) or _is_declared(plan, context)


def pays_by_keys(plan: ReadPlan, context: ReadContext, keys: int) -> bool:
    """The same for rows that so many primary keys are given of."""
    return (keys <= MOST_KEYS and not context.guards.per_scope) or _is_declared(plan, context)


def _is_declared(plan: ReadPlan, context: ReadContext) -> bool:
    return declared_single(plan, context.reading.catalog) is not None


def array_of(texts: Sequence[str]) -> bytes:
    """The JSON array of texts."""
    return f"[{','.join(texts)}]".encode()
