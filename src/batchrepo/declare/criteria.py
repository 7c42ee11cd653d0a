"""Row criteria: which rows of an entity a scope may see, declared once on its repository.

`match` compares a column with a value of the scope's context; `predicate` is any condition. They hold
in every statement that reads the entity, whoever asks for it: loaders, relations, counts, views.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.bounded import Bounded
from batchrepo.declare.elements import sql_of, why_foreign, why_no_condition, with_own_parameters
from batchrepo.errors import DeclarationError, InvalidArgument, MissingContext
from batchrepo.mapping.entity import attribute_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.elements import Condition
    from batchrepo.mapping import EntityInfo


@dataclass(frozen=True, eq=False)
class Match:
    """``column = value of the context``. Made by `match`."""

    attribute: Any
    value: Callable[[Any], Any]
    number: int = field(default_factory=count(1).__next__)

    @property
    def name(self) -> str:
        """Entity and column, such as ``Album.tenant_id``."""
        entity, name = attribute_owner(self.attribute)
        return f"{entity.name}.{name}"

    @property
    def parameter(self) -> str:
        """The name of the bind parameter that carries the value, the same in every statement."""
        return f"match_{self.number}_{self.name.replace('.', '_')}"

    def condition(self) -> ColumnElement[bool]:
        """The condition, its value a parameter that each statement is given."""
        return self.attribute == sa.bindparam(self.parameter, type_=self.attribute.type)  # type: ignore[no-any-return]

    def check(self, entity: EntityInfo, where: str) -> None:
        """Check the declaration as one of the repository of `entity`; `where` names it, for messages.

        Raises:
            DeclarationError: `attribute` is no column of the entity, or `value` no function.
        """
        owner, name = attribute_owner(self.attribute, f"{where}: match()")
        if owner is not entity:
            raise DeclarationError(f"{where}: {owner.name}.{name} is not a column of {entity.name}.")
        entity.column(name, f"{where}: match()")
        if not callable(self.value):
            raise DeclarationError(
                f"{where}: match({owner.name}.{name}, ...) expects a function from the scope's context to the "
                f"value, such as lambda context: context.{name}; got {self.value!r:.200}."
            )


@dataclass(frozen=True, eq=False)
class Predicate:
    """Any condition on the entity. Made by `predicate`."""

    condition: Condition | Callable[[Any], Condition]
    identity: Any = None
    name: str = "predicate"

    @property
    def per_scope(self) -> bool:
        """Whether the condition is made anew for each scope, from its context."""
        return callable(self.condition) and not hasattr(self.condition, "compile")

    def of(self, made: Any) -> ColumnElement[bool]:
        """The condition that goes into statements, of what a function of `condition` has made for a scope."""
        if isinstance(made, bool):
            return sa.true() if made else sa.false()
        found = sql_of(made)  # of a column that is true or false, or a computed attribute
        own: ColumnElement[bool] = with_own_parameters(made if found is None else found)
        return own

    @cached_property
    def fixed(self) -> ColumnElement[bool]:
        """The condition that goes into statements, where it is the same in all scopes."""
        return self.of(self.condition)

    def check(self, entity: EntityInfo, where: str) -> None:
        """Check the declaration as one of the repository of `entity`; `where` names it, for messages.

        A condition that a function makes from the context is not known yet.

        Raises:
            DeclarationError: the condition is none, or has columns of another entity.
        """
        if self.per_scope:
            return
        refusal = why_no_condition(self.condition) or why_foreign(self.condition, entity.sources, entity.name)
        if refusal is not None:
            raise DeclarationError(f"{where}: {self.name}: {refusal}.")


Criterion = Match | Predicate
"""A row criterion of either kind."""


def match(attribute: Any, value: Callable[[Any], Any]) -> Match:
    """Rows whose `attribute` equals a value of the scope's context.

    Args:
        attribute: a column of the entity, such as ``Album.tenant_id``.
        value: takes the context of the scope, gives the value. Giving None, or an AttributeError or
            KeyError, means that the context is missing: reading the entity is then an error.
    """
    return Match(attribute, value)


def predicate(
    condition: Condition | Callable[[Any], Condition],
    *,
    identity: Any = None,
    name: str = "predicate",
) -> Predicate:
    """Rows that meet `condition`.

    Args:
        condition: a SQL condition, or a function from the scope's context to one.
        identity: what tells one variant of the condition from another in cursors and cache keys: a
            constant, or a function of the context. Default: the condition's compiled text and values.
        name: used in messages and with ``scope.without``.
    """
    return Predicate(condition, identity, name)


STATEMENTS = 2_048
"""How many built statements are remembered: clients choose fields and orders, and so make more of them."""


@dataclass(eq=False)
class Guards:
    """The row criteria as they hold in one scope.

    Attributes:
        criteria: by entity, as the repositories declare them.
        context: of the scope.
        lifted: criteria that ``scope.without`` took away, each with its reason.
        statements: cache of the statements that were built under these criteria. Scopes whose criteria
            have the same SQL share it: values travel as parameters.
        digests: of the criteria of each entity with their values, for cursors.
    """

    criteria: Mapping[EntityInfo, tuple[Criterion, ...]]
    context: Any = None
    lifted: frozenset[Criterion] = frozenset()
    statements: Bounded[Any, Any] = field(default_factory=lambda: Bounded(STATEMENTS))
    digests: dict[EntityInfo, bytes] = field(default_factory=dict)
    _conditions: dict[EntityInfo, tuple[ColumnElement[bool], ...]] = field(default_factory=dict)
    _values: dict[EntityInfo, dict[str, Any]] = field(default_factory=dict)

    def of(self, entity: EntityInfo) -> tuple[Criterion, ...]:
        """The criteria of an entity, those of its mapped base classes included."""
        if not self.criteria:
            return ()
        return tuple(
            criterion
            for ancestor in entity.ancestors
            for criterion in self.criteria.get(ancestor, ())
            if criterion not in self.lifted
        )

    def conditions(self, entity: EntityInfo) -> tuple[ColumnElement[bool], ...]:
        """What a statement that reads `entity` must have in its WHERE.

        Raises:
            MissingContext: a predicate needs a context that the scope does not have.
        """
        found = self._conditions.get(entity)
        if found is None:
            found = self._conditions[entity] = tuple(
                self._condition(entity, criterion) for criterion in self.of(entity)
            )
        return found

    def values(self, entities: Iterable[EntityInfo]) -> dict[str, Any]:
        """The parameters of the conditions of these entities.

        Raises:
            MissingContext: the scope's context does not have a value that a criterion matches.
        """
        if not self.criteria:
            return {}
        merged: dict[str, Any] = {}
        for entity in entities:
            found = self._values.get(entity)
            if found is None:
                found = self._values[entity] = {
                    criterion.parameter: self._from_context(entity, criterion.name, criterion.value)
                    for criterion in self.of(entity)
                    if isinstance(criterion, Match)
                }
            merged.update(found)
        return merged

    def valued_conditions(self, entity: EntityInfo) -> tuple[Any, ...]:
        """As `conditions`, with the values inside: for statements that nobody gives parameters to."""
        values = self.values([entity])
        return tuple(
            criterion.attribute == sa.literal(values[criterion.parameter], criterion.attribute.type)
            if isinstance(criterion, Match)
            else self._condition(entity, criterion)
            for criterion in self.of(entity)
        )

    @property
    def per_scope(self) -> bool:
        """Whether any criterion makes its SQL from the context, so that statements cannot be shared."""
        return any(
            isinstance(criterion, Predicate) and criterion.per_scope
            for declared in self.criteria.values()
            for criterion in declared
        )

    def without(self, criteria: Iterable[Criterion]) -> Guards:
        """The same guards with some criteria lifted."""
        lifted = self.lifted | frozenset(criteria)
        declared = {criterion for group in self.criteria.values() for criterion in group}
        unknown = lifted - declared
        if unknown:
            raise InvalidArgument(
                f"{next(iter(unknown))!r} is not a criterion of a repository of this Database; "
                f"expected one of {sorted(c.name for c in declared)}."
            )
        return Guards(self.criteria, self.context, lifted)

    def _condition(self, entity: EntityInfo, criterion: Criterion) -> ColumnElement[bool]:
        if isinstance(criterion, Match):
            return criterion.condition()
        if not criterion.per_scope:
            return criterion.fixed
        make: Any = criterion.condition
        return criterion.of(self._from_context(entity, criterion.name, make))

    def _from_context(self, entity: EntityInfo, name: str, value: Callable[[Any], Any]) -> Any:
        error: Exception | None = None
        found = None
        try:
            found = value(self.context)
        except (AttributeError, KeyError, TypeError) as caught:
            error = caught
        if found is None:
            raise MissingContext(
                f"Reading {entity.name} needs a context for its criterion {name!r}, but this scope has "
                f"context={self.context!r}. Open it with db.scope(context=...)."
            ) from error
        return found
