"""References to rows that somebody else put into a session, and that row criteria may hide.

SQLAlchemy answers a to-one relation with the row that the session holds under its key, without a statement
and so without anybody to put criteria on it. In a session of the user's that row may be one that he read
before, of another tenant. For an entity that a scope read it is then as if the session did not hold it: a
statement is about to be run, and the scope answers that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.orm import PassiveFlag
from sqlalchemy.orm.attributes import instance_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import InstanceState


class References(Protocol):
    """What is asked of a scope about the two ends of a reference."""

    def is_known(self, state: InstanceState[Any]) -> bool:
        """Whether this scope answers for the entity that refers."""
        ...

    def may_be_hidden(self, state: InstanceState[Any]) -> bool:
        """Whether the entity that is referred to has criteria, and no statement with them gave it."""
        ...


def check_references(session: AsyncSession, references: References) -> Callable[[], None]:
    """Check what a user's session gives for references, until the returned function is called."""
    target: Any = session.sync_session
    outer = vars(target).get("_identity_lookup")
    before = target._identity_lookup

    def lookup(
        mapper: Any,
        identity: Any,
        identity_token: Any = None,
        passive: Any = PassiveFlag.PASSIVE_OFF,
        **options: Any,
    ) -> Any:
        found = before(mapper, identity, identity_token=identity_token, passive=passive, **options)
        owner = options.get("lazy_loaded_from")
        if owner is None or target._flushing or not passive & PassiveFlag.SQL_OK:
            return found
        if not isinstance(found, mapper.class_) or not references.is_known(owner):
            return found
        return None if references.may_be_hidden(instance_state(found)) else found

    # The one place that SQLAlchemy looks at; it has no event there.
    target._identity_lookup = lookup

    def stop() -> None:
        if outer is None:
            vars(target).pop("_identity_lookup", None)
        else:
            target._identity_lookup = outer

    return stop
