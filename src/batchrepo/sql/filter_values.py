"""How the values of filters travel to a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from batchrepo.sql.key_checks import Unusable, value_check
from batchrepo.sql.keys import widened

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

    from batchrepo.sql.key_checks import ValueCheck

_checks: WeakKeyDictionary[Dialect, WeakKeyDictionary[TypeEngine[Any], ValueCheck]] = WeakKeyDictionary()


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
