"""What writing uses of SQLAlchemy's internals, each by name: if one moves, this says which (docs/architecture.md)."""

from __future__ import annotations

import inspect

from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.state import InstanceState

from tests.writing.shop import Artist, Base


def test_sessions_and_mappers_have_them():
    for name in (
        "_is_clean",
        "_update_impl",
        "_save_impl",
        "_expunge_states",
        "_remove_newly_deleted",
    ):
        assert callable(getattr(Session, name)), name
    session = Session()
    assert session._new == {}
    assert session._deleted == {}
    assert session._flushing is False
    assert session.identity_map._modified == set()
    assert list(inspect.signature(InstanceState._expire_attributes).parameters)[:3] == [
        "self",
        "dict_",
        "attribute_names",
    ]
    assert "state" in inspect.signature(Mapper._identity_key_from_state).parameters
    assert Artist.__table__.c.id in Artist.__mapper__._columntoproperty


async def test_a_flush_tells_which_entities_it_wrote():
    engine = create_async_engine("sqlite+aiosqlite://")
    seen = []
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)

        def flush(sync_connection) -> None:
            with Session(sync_connection) as session:
                event.listen(session, "after_flush", lambda _, context: seen.append(dict(context.states)))
                session.add(Artist(name="new"))
                session.flush()

        await connection.run_sync(flush)
    await engine.dispose()
    ((state, (deleted, listed_only)),) = seen[0].items()
    assert isinstance(state, InstanceState)
    assert (deleted, listed_only) == (False, False)
