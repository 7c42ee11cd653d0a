"""What tells one SQL expression from another: inside of this process, and across processes.

Callers write conditions and orders anew in every call. Inside of a process SQLAlchemy's cache keys tell which
are the same; in cursors, which come back to other processes, digests of the compiled SQL do.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum
from typing import TYPE_CHECKING, Any

from batchrepo.declare.criteria import Match
from batchrepo.declare.cursors import digest
from batchrepo.declare.elements import sql_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.engine import Dialect

    from batchrepo.bounded import Bounded
    from batchrepo.declare.criteria import Guards
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.mapping import EntityInfo

Identity = Hashable
"""Equal for two expressions that mean the same in this process."""


def identity_of(element: Any) -> Identity:
    """The identity of a SQL expression, the values in it included.

    An expression that SQLAlchemy cannot compare has itself for an identity, so that it is kept alive.
    """
    shape, values = _shape_of(element)
    return shape, values


def order_identity(order: Sequence[OrderTerm]) -> Identity:
    """The identity of an order."""
    return tuple(
        (_mapped_name(term.expression) or identity_of(term.expression), term.descending, term.nulls)
        for term in order
    )


def _mapped_name(expression: Any) -> tuple[Any, str] | None:
    """Mapper and name of a mapped column: the same, and much faster to have."""
    annotations = getattr(expression, "_annotations", {})
    name, mapper = annotations.get("proxy_key"), annotations.get("parententity")
    if name is None or mapper is None or mapper.is_aliased_class or name not in mapper.column_attrs:
        return None
    return mapper, name


def conditions_digest(
    conditions: Iterable[Any], dialect: Dialect, texts: Bounded[Any, str] | None = None
) -> bytes:
    """A digest of conditions and the values in them, the same in every process.

    Args:
        conditions: SQL conditions.
        dialect: compiles them.
        texts: keeps the text of each shape, since compiling costs more than all the rest.
    """
    return digest(*(part for condition in conditions for part in _parts(condition, dialect, texts)))


def order_digest(order: Sequence[OrderTerm], dialect: Dialect) -> bytes:
    """A digest of an order, the same in every process."""
    return digest(
        *(
            part
            for term in order
            for part in (*_parts(term.expression, dialect, None), f"{term.descending} {term.nulls}")
        )
    )


def criteria_digest(entity: EntityInfo, guards: Guards, dialect: Dialect) -> bytes:
    """A digest of the row criteria that hold for an entity, with the values that they have in this scope.

    A predicate without an ``identity`` of its own is told by its SQL.

    Raises:
        MissingContext: the scope's context does not have what a criterion needs.
    """
    values = guards.values([entity])
    parts: list[str] = []
    for criterion, condition in zip(guards.of(entity), guards.conditions(entity), strict=True):
        parts.append(criterion.name)
        if isinstance(criterion, Match):
            parts.append(_value(values[criterion.parameter]))
        elif criterion.identity is not None:
            identity = criterion.identity
            parts.append(_value(identity(guards.context) if callable(identity) else identity))
        else:
            parts += _parts(condition, dialect, None)
    return digest(*parts)


def _parts(element: Any, dialect: Dialect, texts: Bounded[Any, str] | None) -> Iterator[str]:
    shape, values = _shape_of(element)
    text = texts.get((dialect.name, shape)) if texts is not None else None
    if text is None:
        text = str(_clause(element).compile(dialect=dialect))
        if texts is not None:
            texts[dialect.name, shape] = text
    yield text
    for value in values:
        yield _value(value)


def _shape_of(element: Any) -> tuple[Hashable, tuple[Any, ...]]:
    clause = _clause(element)
    key = clause._generate_cache_key()
    if key is None:
        return clause, ()
    return key.key, tuple(_hashable(bind.effective_value) for bind in key.bindparams)


def _clause(element: Any) -> Any:
    found = sql_of(element)
    return element if found is None else found


def _hashable(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value).__name__, *map(_hashable, value)
    if isinstance(value, set | frozenset):
        return "set", *sorted(map(_value, value))
    if isinstance(value, dict):
        return "dict", *((key, _hashable(item)) for key, item in value.items())
    # 1, 1.0 and True are equal in Python, and not in SQL.
    return type(value), value


def _value(value: Any) -> str:
    """A value as text, the same in every process."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], type):
        return _value(value[1]) if isinstance(value[1], Enum) else f"{value[0].__name__}:{value[1]!r}"
    if isinstance(value, tuple | list):
        return f"({','.join(map(_value, value))})"
    return f"{type(value).__name__}:{value!r}"
