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
    from sqlalchemy.sql.elements import BindParameter

    from batchrepo.declare.criteria import Guards
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.mapping import EntityInfo

Identity = Hashable
"""Equal for two expressions that mean the same in this process."""


def identity_of(element: Any) -> Identity:
    """The identity of a SQL expression, the values in it included.

    An expression that SQLAlchemy cannot compare has itself for an identity, so that it is kept alive; and so has one
    with a value that has no hash.
    """
    clause: Hashable = clause_of(element)
    key = clause._generate_cache_key()  # type: ignore[attr-defined]
    if key is None:
        return clause
    identity = key.key, tuple(_hashable(bind.effective_value) for bind in key.bindparams)
    try:
        hash(identity)
    except TypeError:
        return clause
    return identity


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


def order_digest(order: Sequence[OrderTerm], dialect: Dialect) -> bytes:
    """A digest of an order, the same in every process."""
    return digest(
        *(
            part
            for term in order
            for part in (*digest_parts(term.expression, dialect), f"{term.descending} {term.nulls}")
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
            parts += digest_parts(condition, dialect)
    return digest(*parts)


def digest_parts(element: Any, dialect: Dialect) -> Iterator[str]:
    """The text of an expression, and the values in it, as a digest is made of them."""
    clause = clause_of(element)
    compiled = clause.compile(dialect=dialect)
    yield str(compiled)
    key = clause._generate_cache_key()
    if key is None:
        yield from map(value_text, compiled.params.values())
    else:
        yield from (bind_text(bind, dialect) for bind in key.bindparams)


def clause_of(element: Any) -> Any:
    """The SQL expression that an element is or stands for; of anything else the element itself."""
    found = sql_of(element)
    return element if found is None else found


def _hashable(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value).__name__, *map(_hashable, value)
    if isinstance(value, set | frozenset):
        return "set", *sorted(map(_value, value))
    if isinstance(value, dict):
        return "dict", *((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, bytearray | memoryview):
        return bytes, bytes(value)
    # 1, 1.0 and True are equal in Python, and not in SQL.
    return type(value), value


_BY_ADDRESS: Any = object.__repr__


def bind_text(bind: BindParameter[Any], dialect: Dialect) -> str:
    """The value of a parameter as text; one that Python would show by its address is told by what is sent for it."""
    value: Any = bind.effective_value
    items: Iterable[Any] = (value,) if value is None or not bind.expanding else value
    if any(type(item).__repr__ is _BY_ADDRESS for item in items):
        send = bind.type._cached_bind_processor(dialect)
        if send is not None:
            value = [send(item) for item in items] if items is value else send(value)
    return value_text(value)


def value_text(value: Any) -> str:
    """A value as text, the same in every process."""
    return _value(_hashable(value))


def _value(value: Any) -> str:
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], type):
        return _value(value[1]) if isinstance(value[1], Enum) else f"{value[0].__name__}:{value[1]!r}"
    if isinstance(value, tuple | list):
        return f"({','.join(map(_value, value))})"
    return f"{type(value).__name__}:{value!r}"
