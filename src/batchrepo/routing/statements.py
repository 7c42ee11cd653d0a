"""Which statements may go to a replica: those that surely only read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import CompoundSelect, Select
from sqlalchemy.sql import visitors
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import ColumnClause, TextClause
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import TextualSelect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Executable

_known: WeakKeyDictionary[Executable, bool] = WeakKeyDictionary()

_ACTING = re.compile(
    r"(nextval|setval|currval|lastval|set_config|next_value"
    r"|pg_(try_)?advisory_.*|pg_notify|pg_(terminate|cancel)_backend|pg_sleep.*|pg_switch_wal|pg_export_snapshot"
    r"|pg_logical_.*|pg_replication_.*|pg_(current_wal|walfile|last_wal|wal_).*|pg_is_in_recovery|pg_reload_conf"
    r"|pg_(create|drop|copy|promote|backup|start_backup|stop_backup|rotate|reset|stat_reset|import|prewarm).*|setseed"
    r"|txid_.*|pg_current_(snapshot|xact_id).*|lo_.*|dblink.*|load_extension|changes|last_insert_rowid|last_insert_id"
    r"|get_lock|release_lock)",
    re.IGNORECASE,
)
"""Functions that do something, or that answer for the server that runs them."""

_READING_TEXT = re.compile(r"\s*(SELECT|VALUES|TABLE)\b", re.IGNORECASE)
_SUSPICIOUS = re.compile(
    r";|--|/\*|\(|\b(INTO|FOR|INSERT|UPDATE|DELETE|MERGE|CALL|WITH|LOCK|COPY|SET)\b", re.IGNORECASE
)
"""In a text of SQL; parentheses since they may call a function, of which the text does not say what it does."""

_HINT = re.compile(r"/\*\+((?!\*/).)*\*/", re.DOTALL)
"""A hint of an optimizer, which is a comment."""


def is_plain_select(statement: Executable) -> bool:
    """Whether a statement surely only reads: nothing in it locks, writes, or acts by a function.

    Functions of the application's own are believed to read: a replica refuses those that do not, and the statement
    then goes to the primary.
    """
    try:
        known = _known.get(statement)
        if known is None:
            known = _known[statement] = _is_plain(statement)
    except TypeError:  # what no weak reference can be made to
        return False
    return known


def remember_writing(statement: Executable) -> None:
    """A replica refused the statement, since it writes."""
    _known[statement] = False


def _is_plain(statement: Any) -> bool:
    if isinstance(statement, TextClause | TextualSelect):
        return _reads(_text_of(statement))
    if not isinstance(statement, Select | CompoundSelect):
        return False
    return all(map(_is_plain_part, visitors.iterate(statement)))


def _is_plain_part(part: Any) -> bool:
    if getattr(part, "_for_update_arg", None) is not None or isinstance(part, UpdateBase):
        return False
    if isinstance(part, FunctionElement):
        name = getattr(part, "name", None)
        return not (isinstance(name, str) and _ACTING.fullmatch(name))
    if isinstance(part, TextClause):
        return not _SUSPICIOUS.search(part.text)
    if isinstance(part, ColumnClause) and part.is_literal:
        return not _SUSPICIOUS.search(part.name)
    if isinstance(part, TextualSelect):
        return _reads(_text_of(part))
    if isinstance(part, Select | CompoundSelect):
        return not any(_SUSPICIOUS.search(text) for text in _written_by_hand(part))
    operator = getattr(part, "operator", None)
    return not (isinstance(operator, custom_op) and _SUSPICIOUS.search(operator.opstring))


def _written_by_hand(select: Any) -> Iterator[str]:
    """Parts of a SELECT that are no elements: they are put into it as they are."""
    for clause, _ in (*getattr(select, "_prefixes", ()), *getattr(select, "_suffixes", ())):
        yield clause.text if isinstance(clause, TextClause) else "("
    for _, text in getattr(select, "_statement_hints", ()):
        yield _HINT.sub("", text)
    for text in getattr(select, "_hints", {}).values():
        yield _HINT.sub("", text)


def _reads(text: str) -> bool:
    return _READING_TEXT.match(text) is not None and _SUSPICIOUS.search(text) is None


def _text_of(statement: TextClause | TextualSelect) -> str:
    clause: Any = statement if isinstance(statement, TextClause) else statement.element
    return str(clause.text)
