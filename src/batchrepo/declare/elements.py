"""What SQL may stand in a declaration or a call: conditions and expressions over an entity's tables.

The functions called ``why_...`` give the reason against an element, or None; whoever asks knows which error
to raise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import SQLCoreOperations, UnaryExpression

from batchrepo.errors import DeclarationError, InvalidArgument
from batchrepo.mapping.entity import Sources, is_relationship, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.sql.selectable import FromClause

    from batchrepo.mapping import RelationInfo


Condition = SQLCoreOperations[bool]
"""What a read takes as a condition: a comparison, or a column or computed attribute that is true or false."""


def sql_of(element: Any) -> ColumnElement[Any] | None:
    """The SQL expression that `element` is or stands for; None for anything else (texts, tables, queries)."""
    found: Any = element
    # An expression that is asked for an attribute it does not have takes long to say so.
    is_sql = isinstance(element, sa.ColumnElement) and not hasattr(type(element), "__clause_element__")
    if not is_sql and hasattr(element, "__clause_element__"):
        try:
            found = element.__clause_element__()
        except (SQLAlchemyError, InvalidArgument):  # a hybrid without SQL form, a computed list
            return None
    if not isinstance(found, sa.ColumnElement):
        return None
    inner: Any = found
    while isinstance(inner, UnaryExpression):
        inner = inner.element
    # desc("title") is a text in disguise, which means nothing inside of a sub-select.
    return None if inner.__visit_name__ == "textual_label_reference" else found


def why_no_expression(element: Any) -> str | None:
    """Why `element` is no SQL expression with a value."""
    if is_relationship(element):
        return f"{element} is a relationship, which has no value in SQL. Use one of its entity's columns"
    if sql_of(element) is None:
        return _why_no_sql(element) or (
            f"{_described(element)} is not a SQL expression. "
            f"Use a mapped attribute such as Album.title, or a function of one"
        )
    return None


def why_no_condition(element: Any) -> str | None:
    """Why `element` is no SQL condition."""
    if isinstance(element, bool):
        return (
            f"{element!r} is not a SQL condition: a comparison of Python values gave it. "
            f"Compare with a mapped attribute, such as Album.title == 'x'"
        )
    if is_relationship(element):
        return (
            f"{element} is a relationship, not a condition. Use {element}.has(...) or .any(...), "
            f"or compare it with an entity"
        )
    sql = sql_of(element)
    if sql is None:
        return _why_no_sql(element) or (
            f"{_described(element)} is not a SQL condition. "
            f"Use a comparison with a mapped attribute, such as Album.title == 'x'"
        )
    is_bare = isinstance(element, sa.Column) or not isinstance(element, sa.ClauseElement)
    if is_bare and not isinstance(sql.type, sa.Boolean | sa.types.NullType):
        name = _described(element)
        return f"{name} is a column without a comparison. Write a condition, such as {name} == ..."
    return None


def _why_no_sql(element: Any) -> str | None:
    """What a declared value says itself of why it has no SQL."""
    try:
        element.__clause_element__()
    except InvalidArgument as error:
        return str(error).removesuffix(".")
    except (AttributeError, SQLAlchemyError):
        pass
    return None


def foreign_tables(element: Any, sources: Sources) -> list[str]:
    """The names of tables whose columns `element` uses although they are not among `sources`.

    Related rows in ``has()``, ``any()`` and sub-queries do not count: those bring their own FROM.
    """
    foreign = (table for table in tables_in(element) if table not in sources)
    return sorted(str(getattr(table, "description", None) or table) for table in foreign)


def tables_in(element: Any) -> frozenset[FromClause]:
    """The tables whose columns `element` uses: those of sub-queries only where they correlate to them by name."""
    sql = sql_of(element)
    if sql is None:
        return frozenset()
    return frozenset(source._deannotate() for source in (*sql._from_objects, *_correlated(sql)))


def _correlated(element: Any) -> set[Any]:
    """The tables that sub-queries inside take from the statement around them, by name."""
    inside: set[Any] = set()
    for child in element.get_children():
        inside |= _correlated(child)
    if not isinstance(element, sa.Select):
        return inside
    outer = {source for source in element._correlate or () if not isinstance(source, sa.Join)}
    if inside:
        own = {table for source in element.get_final_froms() for table in source._from_objects}
        inside -= own - outer
    return outer | inside


def why_foreign(element: Any, sources: Sources, what: str, *, value: bool = False) -> str | None:
    """Why `element` cannot be computed from rows of `what`, whose tables are `sources`.

    Args:
        element: a condition, or with `value` an expression or an order.
        sources: the tables whose columns it may name.
        what: whose tables they are, for the message.
        value: changes the advice.
    """
    foreign = foreign_tables(element, sources)
    if not foreign:
        return None
    return (
        f"{_described(element)} has columns of {', '.join(foreign)}, where only columns of {what} can be used. "
        + (
            "A value of related rows is written as a correlated sub-query, with .scalar_subquery()"
            if value
            else "A condition on related rows is written with .has(...) or .any(...)"
        )
    )


def declared_conditions(
    where: Any, place: str, sources: Sources, what: str
) -> tuple[ColumnElement[bool], ...]:
    """Read the conditions of a declaration: none, one, or a tuple or list of several.

    Args:
        where: what was declared.
        place: names the declaration, such as ``ArtistRepository.album_count``, for messages.
        sources: the tables whose columns a condition may name.
        what: whose tables they are, for messages.

    Raises:
        DeclarationError: one is no condition, or has columns of another table.
    """
    if where is None:
        return ()
    conditions: Sequence[Any] = where if isinstance(where, tuple | list) else (where,)
    for condition in conditions:
        refusal = why_no_condition(condition) or why_foreign(condition, sources, what)
        if refusal is not None:
            raise DeclarationError(f"{place}: {refusal}.")
    return tuple(map(with_own_parameters, conditions))


def with_own_parameters(element: Any) -> Any:
    """The same condition or expression, its values in parameters that no other part of a statement has.

    Of parameters with one name SQLAlchemy sends one value. So two declarations that name one alike could not stand in
    one statement, and a caller who names one as a row criterion does would decide about the criterion.
    """
    clause: Any = sql_of(element)
    if clause is None:
        clause = element
    if not isinstance(clause, sa.ClauseElement) or not any(map(_is_shared, visitors.iterate(clause))):
        return element
    return visitors.cloned_traverse(clause, {"maintain_key": True}, {"bindparam": _own})


def _is_shared(element: Any) -> bool:
    """Whether it is a parameter that has a value, and a name that others may have."""
    return isinstance(element, sa.BindParameter) and not element.unique and not element.required


def _own(parameter: Any) -> None:
    if _is_shared(parameter):
        forget_original(parameter)
        parameter._convert_to_unique()


def forget_original(parameter: Any) -> None:
    """Let a copied parameter stand for itself: SQLAlchemy would give it the value of what it is a copy of."""
    for memory in ("_is_clone_of", "_cloned_set"):
        parameter.__dict__.pop(memory, None)


def declared_first(first: Any, place: str) -> int:
    """Read the number of rows per parent of a declaration; `place` names it, for messages.

    Raises:
        DeclarationError: it is not an integer of 1 or more.
    """
    if not isinstance(first, int) or isinstance(first, bool) or first < 1:
        raise DeclarationError(f"{place} expects a number of rows per parent, 1 or more; got {first!r}.")
    return first


def related_sources(relation: RelationInfo) -> Sources:
    """The tables whose columns a condition on the rows of a relation may name: its link table's too."""
    own = relation.target.sources
    return own if relation.secondary is None else Sources(own.own, own.links | {relation.secondary})


def _described(element: Any) -> str:
    if isinstance(element, QueryableAttribute | type):
        return shown(element)
    if not isinstance(element, sa.ClauseElement) and hasattr(element, "__clause_element__"):
        return str(element)
    if isinstance(element, sa.TextClause):
        return f"text({element.text!r:.200})"
    return f"{element!s:.200}" if isinstance(element, sa.ClauseElement) else shown(element)
