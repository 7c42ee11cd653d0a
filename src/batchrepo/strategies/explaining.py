"""Explaining how a view is read: its tree, the strategy with its reason, and the SQL of each statement."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.declare.criteria import Guards
from batchrepo.declare.orders import parse_order
from batchrepo.plan.read import Include, ReadPlan
from batchrepo.sql.aggregates import keyed_aggregates
from batchrepo.sql.rows import keyed_rows
from batchrepo.sql.select import select_rows
from batchrepo.strategies.cascade import CascadeBuilder
from batchrepo.strategies.form import ViewForm
from batchrepo.strategies.single import SingleStrategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from batchrepo.declare.repository_info import RepositoryInfo
    from batchrepo.plan.fieldsets import Fieldset
    from batchrepo.plan.narrowing import Narrowed
    from batchrepo.plan.planner import Choice
    from batchrepo.strategies.compiled import CompiledPlan
    from batchrepo.strategies.deliver import Delivery
    from batchrepo.strategies.reading import Reading


@dataclass(frozen=True)
class ExplainedStatement:
    """One statement of a plan.

    Attributes:
        level: 0 for the root.
        purpose: what it reads, such as ``Album.tracks for tracks``.
        sql: its text, the same for any number of keys.
    """

    level: int
    purpose: str
    sql: str


@dataclass(frozen=True, eq=False)
class Explanation:
    """How a view is read. ``str()`` gives it as text.

    Attributes:
        plan: what is read.
        choice: the strategy, why, and why not the others.
        statements: in the order of their levels; none for a strategy whose statements SQLAlchemy makes.
        answered: fields that cost no statement, since a key has their values.
        as_json: the strategy for the JSON of the view, where AUTO chooses; None where a strategy was asked for.
        narrowed: which fields are asked for, and what is read whole nevertheless; None for the view as it is.
    """

    plan: ReadPlan
    choice: Choice
    statements: tuple[ExplainedStatement, ...]
    answered: tuple[str, ...]
    narrowed: Narrowed | None = None
    as_json: Choice | None = None

    def __str__(self) -> str:
        lines = [repr(self.plan), ""]
        if self.narrowed is not None:
            lines += [f"fields: {self.narrowed.fieldset}", *map(str, self.narrowed.whole), ""]
        lines += _tree(self.plan, "")
        lines += ["", f"strategy: {self.choice.strategy} ({self.choice.reason})"]
        lines += [f"  not {name}: {reason}" for name, reason in self.choice.refusals]
        if self.as_json is not None:
            lines += [f"as JSON: {self.as_json.strategy} ({self.as_json.reason})"]
            lines += [f"  not {name}: {reason}" for name, reason in self.as_json.refusals]
        lines += [f"no statement for {name}: the key has it" for name in self.answered]
        for number, statement in enumerate(self.statements, 1):
            lines += ["", f"{number}. level {statement.level}: {statement.purpose}"]
            lines += [f"   {line}" for line in statement.sql.splitlines()]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Explanation {self.choice.strategy}, {len(self.statements)} statements>"


def explain_view(
    reading: Reading,
    view: type[BaseModel],
    info: RepositoryInfo,
    strategy: str | None,
    fields: str | Fieldset | None = None,
) -> Explanation:
    """Explain one view, or the `fields` of it, over the entity of a repository.

    Raises:
        DeclarationError: the view does not fit.
        InvalidFields: the view does not have one of the fields.
        StrategyRefused: the strategy that was asked for cannot run it.
    """
    delivery, compiled = reading.views(view, info.entity, info, fields=fields)
    if strategy == SingleStrategy.name:
        choice = reading.choose_for_json(delivery, strategy)
        single = _one_statement(reading, compiled.plan, info)
        return Explanation(compiled.plan, choice, (single,), (), delivery.narrowed)
    choice = _told(reading.choose_for_views(delivery, strategy), delivery)
    as_json = _told(reading.choose_for_json(delivery), delivery) if strategy is None else None
    if choice.strategy == SingleStrategy.name:
        single = _one_statement(reading, compiled.plan, info)
        return Explanation(compiled.plan, choice, (single,), (), delivery.narrowed, as_json)
    statements = tuple(_statements(reading, compiled, info)) if choice.strategy == "batched" else ()
    answered = tuple(attach.name for level in compiled.levels for attach in level.answered)
    return Explanation(compiled.plan, choice, statements, answered, delivery.narrowed, as_json)


def _told(choice: Choice, delivery: Delivery[Any]) -> Choice:
    """With what the planner does not know: why a view is not written as its rows are read."""
    reason = delivery.why_not_plain
    if reason is None:
        return choice
    told = ((name, reason if name == SingleStrategy.name else why) for name, why in choice.refusals)
    return replace(choice, refusals=tuple(told))


def _statements(
    reading: Reading, compiled: CompiledPlan, info: RepositoryInfo
) -> Iterator[ExplainedStatement]:
    dialect = reading.engine.dialect
    guards = _ExplainedGuards(reading.catalog.criteria)

    def text(statement: Any) -> str:
        return str(statement.compile(dialect=dialect))

    root, _ = select_rows(
        info.entity, compiled.root.source.columns, guards, order=parse_order(info.default_order)
    )
    yield ExplainedStatement(0, f"rows of {info.entity.name}", text(root))
    for number, level in enumerate(compiled.levels, 1):
        for fetch in level.fetches:
            keyed = keyed_rows(fetch.lookup, fetch.source.columns, guards, dialect)
            names = ", ".join(attach.name for attach in fetch.attaches)
            yield ExplainedStatement(number, f"{fetch.lookup} for {names}", text(keyed.statement))
        for aggregate in level.aggregates:
            keyed = keyed_aggregates(aggregate.lookup, aggregate.aggregates, guards, dialect)
            names = ", ".join(attach.name for attach in aggregate.attaches)
            yield ExplainedStatement(
                number, f"aggregates of {aggregate.lookup} for {names}", text(keyed.statement)
            )


def _one_statement(reading: Reading, plan: ReadPlan, info: RepositoryInfo) -> ExplainedStatement:
    dialect = reading.engine.dialect
    guards = _ExplainedGuards(reading.catalog.criteria)
    builder = CascadeBuilder(
        plan, guards, dialect, guarded=reading.guarded, paged=reading.paged, form=ViewForm()
    )
    root, entities = select_rows(info.entity, builder.columns, guards, order=parse_order(info.default_order))
    statement = builder.whole(root, entities).statement
    purpose = f"JSON of {info.entity.name}, with everything below"
    return ExplainedStatement(0, purpose, str(statement.compile(dialect=dialect)))


class _ExplainedGuards(Guards):
    """Criteria without a context: what is made from one is shown by its name."""

    def _from_context(self, entity: Any, name: str, value: Any) -> Any:
        return sa.text(f"/* criterion {name} of {entity.name}, from the context */ true")


def _tree(plan: ReadPlan, indent: str) -> Iterator[str]:
    own = ", ".join(str(f) for f in plan.fields if not isinstance(f, Include))
    yield f"{indent}{plan.entity.name}: {own}"
    for include in plan.includes:
        limit = f", first {include.first} of each" if include.first is not None else ""
        limit = f", a page of each: {include.page}" if include.page is not None else limit
        where = ", filtered" if include.where else ""
        kind = "list" if include.many else "one"
        yield f"{indent}  {include.name} ({kind} through {include.relation}{limit}{where})"
        yield from _tree(include.plan, indent + "    ")
