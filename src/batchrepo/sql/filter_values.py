"""How the values of filters travel to a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from batchrepo.sql.key_checks import Unusable, value_check
from batchrepo.sql.keys import widened

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.types import TypeEngine

    from batchrepo.sql.key_checks import ValueCheck

_checks: WeakKeyDictionary[Dialect, WeakKeyDictionary[TypeEngine[Any], ValueCheck]] = WeakKeyDictionary()

_COMPOUND = (sa.JSON, sa.ARRAY, sa.types.NullType)
"""Types of which nobody but the database knows what it takes."""


class FilterValues:
    """The values of filters in one database, checked like keys, so that none reaches the driver that it refuses."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._checks = _checks.setdefault(dialect, WeakKeyDictionary())

    def checked(self, kind: TypeEngine[Any], value: Any) -> Any:
        """The value to send.

        Raises:
            ValueError: the database would not take it.
        """
        check = self._checks.get(kind)
        if check is None:
            check = self._checks[kind] = value_check(kind, self._dialect)
        try:
            return check(value)
        except Unusable as error:
            raise ValueError(f"expected {error.expected}") from error

    def sent_as(self, kind: TypeEngine[Any]) -> TypeEngine[Any]:
        """A type wide enough that no value is cut or rounded by a cast to the column's own."""
        return widened(kind)

    def check_condition(self, condition: ColumnElement[bool]) -> None:
        """Check the values in a condition that was written by hand, each for the type that it is sent as.

        Raises:
            ValueError: the database would not take one of them.
        """
        for element in visitors.iterate(condition):
            if not isinstance(element, sa.BindParameter) or isinstance(element.type, _COMPOUND):
                continue
            given: Any = element.value
            for value in given if element.expanding else (given,):
                if value is not None:
                    self._check_sent(element.type, value)

    def _check_sent(self, kind: TypeEngine[Any], value: Any) -> None:
        bits = _bits(kind, self._dialect)
        if bits is not None and isinstance(value, int) and not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise ValueError(f"expected an integer of at most {bits} bits")
        self.checked(kind, value)


def _bits(kind: TypeEngine[Any], dialect: Dialect) -> int | None:
    """How large an integer may be that is sent as a type; None where `FilterValues.checked` knows it."""
    if dialect.name != "postgresql" or not isinstance(kind, sa.Integer) or isinstance(kind, sa.BigInteger):
        return None
    return 16 if isinstance(kind, sa.SmallInteger) else 32
