"""Which way a bulk write goes, and why: every reason against a way is in `why_not`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from batchrepo.errors import InvalidArgument, did_you_mean
from batchrepo.sql.wire import wire_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Dialect

    from batchrepo.writing.rows.columns import WriteColumn, WriteColumns

Method = Literal[
    "copy",
    "temporary_table",
    "unnest",
    "executemany",
    "multivalues",
    "values",
    "insertmanyvalues",
    "one_by_one",
]
"""A way to write rows:

- ``copy``: PostgreSQL's COPY, straight into the table; keys that are asked back are drawn from their sequence before.
- ``temporary_table``: COPY into a temporary table, from there with INSERT ... SELECT ... ON CONFLICT, or UPDATE ... FROM.
- ``unnest``: one INSERT ... SELECT or UPDATE ... FROM, with an array for each column.
- ``executemany``: the driver's own, of one prepared statement.
- ``multivalues``: INSERT with several rows in VALUES and RETURNING.
- ``values``: one INSERT of one row.
- ``insertmanyvalues``: SQLAlchemy's own execution, which takes everything.
- ``one_by_one``: the same for updates, a statement for each row.
"""

COPY_FROM = 100
"""From how many rows COPY costs less than arrays, as measured (docs/writing.md): below, its round trips count more."""

TABLE_FROM = 5_000
"""From how many rows a temporary table costs less than arrays: it has to be made and dropped, too."""

_INSERT: tuple[Method, ...] = ("values", "copy", "unnest", "multivalues", "executemany", "insertmanyvalues")
_UPSERT: tuple[Method, ...] = ("values", "temporary_table", "unnest", "executemany", "insertmanyvalues")
_ASKED: tuple[Method, ...] = (
    "copy",
    "temporary_table",
    "unnest",
    "executemany",
    "multivalues",
    "insertmanyvalues",
)


@dataclass(frozen=True, slots=True)
class Request:
    """What there is to write.

    Attributes:
        columns: of the entity.
        names: the attributes that the rows have, with those that Python has filled.
        rows: how many.
        keys: whether primary keys are asked back that the rows do not have.
        upsert: whether rows may be there already.
        refused: ways that the database has refused for this table before, with what it said.
    """

    columns: WriteColumns
    names: tuple[str, ...]
    rows: int
    keys: bool
    upsert: bool = False
    refused: tuple[tuple[Method, str], ...] = ()

    @property
    def written(self) -> list[WriteColumn]:
        """The columns that the rows have."""
        return [self.columns.columns[name] for name in self.names]

    def left_out(self, *kinds: str) -> list[str]:
        """The columns that the rows do not have, and whose default is of one of these kinds."""
        return [
            name
            for name, column in self.columns.columns.items()
            if name not in self.names and column.default in kinds
        ]


@dataclass(frozen=True, slots=True)
class Choice:
    """The way that was chosen.

    Attributes:
        method: the way.
        why: in words.
        others: why the ways that would have been better are not possible.
    """

    method: Method
    why: str
    others: tuple[tuple[Method, str], ...] = ()

    def __str__(self) -> str:
        lines = [
            f"{self.method}: {self.why}",
            *(f"  not {method}: {reason}" for method, reason in self.others),
        ]
        return "\n".join(lines)


def choose(request: Request, dialect: Dialect, asked: str | None = None) -> Choice:
    """The fastest way that is possible.

    Args:
        request: what there is to write.
        dialect: of the database.
        asked: a way that the caller wants.

    Raises:
        InvalidArgument: the way that is asked for is not possible.
    """
    if asked is not None:
        check_method(asked)
        return _asked(request, dialect, asked)
    others: list[tuple[Method, str]] = []
    for method in _UPSERT if request.upsert else _INSERT:
        reason = why_not(method, request, dialect)
        if reason is None:
            reason = _why_slow(method, request)
        if reason is None:
            return Choice(method, _why(method, request), tuple(others))
        if method != "values" and _of_database(method, dialect):
            others.append((method, reason))
    raise AssertionError("insertmanyvalues takes everything")  # pragma: no cover


def check_method(asked: object) -> None:
    """Check ``method=``.

    Raises:
        InvalidArgument: there is no such way.
    """
    if asked is not None and asked not in _ASKED:
        raise InvalidArgument(f"method={asked!r:.100} is no way to write.{did_you_mean(str(asked), _ASKED)}")


def _asked(request: Request, dialect: Dialect, asked: str) -> Choice:
    method: Method = asked  # type: ignore[assignment]
    possible = _UPSERT if request.upsert else _INSERT
    reason = (
        why_not(method, request, dialect)
        if method in possible
        else (f"{'upsert' if request.upsert else 'insert'} has the ways {', '.join(possible[1:])}")
    )
    if reason is not None:
        raise InvalidArgument(
            f"method={asked!r} cannot write these rows of {request.columns.entity.name}: {reason}. Leave it out: "
            f"the fastest way that is possible is chosen, and explain_write() says why."
        )
    return Choice(method, "asked for")


def why_not(method: Method, request: Request, dialect: Dialect) -> str | None:
    """Why a way cannot write these rows; None where it can."""
    known = dict(request.refused)
    if method in known:
        return f"the database has refused it: {known[method]}"
    if not _of_database(method, dialect):
        return f"{dialect.name} has no such way"
    match method:
        case "insertmanyvalues" | "one_by_one":
            return None
        case "values":
            return None if request.rows == 1 else "there is more than one row"
        case "copy" | "temporary_table":
            return _why_not_raw(request, dialect) or _why_no_copy(method, request)
        case "unnest":
            return _why_not_raw(request, dialect) or _why_no_unnest(request, dialect)
        case "executemany":
            lost = "it gives no keys back" if request.keys else None
            return _why_not_raw(request, dialect) or lost
        case "multivalues":
            return _why_not_raw(request, dialect) or _why_no_multivalues(request)


def _why_not_raw(request: Request, dialect: Dialect) -> str | None:
    """Why the driver cannot be given the rows by itself."""
    contextual = request.left_out("context")
    if contextual:
        return f"the default of {contextual[0]} is a function of SQLAlchemy's execution context"
    if not request.names:
        return "the rows have no columns"
    return _first(request.written, lambda column: wire_of(column.type, dialect).raw)


def _why_no_copy(method: Method, request: Request) -> str | None:
    if request.keys and not request.upsert and _numbered_key(request) is None:
        return "keys are asked back that the database makes, and not from a sequence"
    if method == "copy":
        left = [name for name in request.left_out("sql", "sequence") if name != _numbered_key(request)]
        if left:
            return f"the default of {left[0]} is SQL, which COPY cannot evaluate"
    return None


def _why_no_unnest(request: Request, dialect: Dialect) -> str | None:
    if request.keys and not request.upsert and _numbered_key(request) is None:
        return "keys are asked back that the database makes, and not from a sequence"
    return _first(request.written, lambda column: wire_of(column.type, dialect).no_array)


def _why_no_multivalues(request: Request) -> str | None:
    if not request.keys:
        return "nothing is asked back"
    if _numbered_key(request) is None:
        return "keys are asked back that are no numbers of the table"
    return None


def _numbered_key(request: Request) -> str | None:
    """The key column that the rows do not have, where its values are ascending numbers which the database gives."""
    missing = [column for column in request.columns.key if column.name not in request.names]
    if len(missing) != 1 or missing[0].default != "autoincrement":
        return None
    identity = missing[0].column.identity
    falling = identity is not None and (identity.increment or 1) < 0
    return None if falling else missing[0].name


def _why_slow(method: Method, request: Request) -> str | None:
    """Why a way that is possible is left to others."""
    least = {"copy": COPY_FROM, "temporary_table": TABLE_FROM}.get(method, 0)
    if request.rows < least:
        return f"fewer than {least} rows are faster as arrays"
    return None


def _why(method: Method, request: Request) -> str:
    match method:
        case "values":
            return "one row"
        case "copy":
            drawn = "; keys are drawn from the sequence first" if request.keys else ""
            return f"{COPY_FROM} rows or more, and nothing that COPY cannot do{drawn}"
        case "temporary_table":
            return f"{TABLE_FROM} rows or more: COPY, then one INSERT ... SELECT ... ON CONFLICT"
        case "unnest":
            return "one statement with an array for each column"
        case "multivalues":
            return "the driver's way to get keys back, under its limit of parameters"
        case "executemany":
            return "one prepared statement, run by the driver for all rows"
        case "insertmanyvalues" | "one_by_one":
            return "SQLAlchemy's own execution takes everything"


def _of_database(method: Method, dialect: Dialect) -> bool:
    if method in ("copy", "temporary_table", "unnest"):
        return dialect.name == "postgresql"
    if method in ("executemany", "multivalues"):
        return dialect.name == "sqlite"
    return True


def _first(columns: Iterable[WriteColumn], reason_of: object) -> str | None:
    for column in columns:
        reason = reason_of(column)  # type: ignore[operator]
        if reason is not None:
            return f"{column.name}: {reason}"
    return None
