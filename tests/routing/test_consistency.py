"""What later reads must have seen: asked for lazily, once for each commit, and passed on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from time import time
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine

from batchrepo import AnyReplica, ConsistencyToken, Database, HealthChecks, ReadYourWrites
from batchrepo.events import EventLog, StatementEvent
from batchrepo.routing import Consistency, Position
from batchrepo.routing.probing import Answer
from batchrepo.testing import assert_statements
from tests.routing.servers import (
    SELDOM,
    AuthorRepository,
    Base,
    NoteRepository,
    endpoints_of,
    files,
    made_endpoint,
    router_of,
    scripted,
    server_of,
)

ASKED = "consistency token"


@pytest_asyncio.fixture
async def three(postgres_url: str) -> AsyncIterator[Database]:
    """One PostgreSQL server as primary and two replicas: positions are real, and nobody is ever behind."""
    making = create_async_engine(postgres_url)
    async with making.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(text("INSERT INTO author (id, server) VALUES (1, 'the one')"))
        await connection.execute(text("INSERT INTO note (id, server, author_id) VALUES (10, 'the one', 1)"))
    await making.dispose()
    async with Database(
        postgres_url,
        replicas=[postgres_url, postgres_url],
        repositories=[NoteRepository, AuthorRepository],
        health=SELDOM,
        routing=ReadYourWrites(wait=30),
        secret="a secret",
    ) as db:
        async with db.scope():
            await router_of(db).looked()
        yield db


async def write(scope: Any, key: int = 99) -> None:
    async with scope.transaction():
        await NoteRepository(scope).insert_many([{"id": key, "server": "written", "author_id": 1}])


def causes(scope: Any) -> list[tuple[str, str]]:
    return [(one.cause, one.endpoint) for one in scope.events.events if type(one) is StatementEvent]


async def test_after_a_commit_the_position_is_asked_for_once_and_reads_go_to_who_has_it(three: Database):
    async with three.scope() as scope:
        here = await server_of(scope) and endpoints_of(scope)[0]
        await write(scope)
        scope.events.events.clear()
        assert await server_of(scope, 99) == "written"
        assert await NoteRepository(scope).count() == 2
        assert causes(scope) == [(ASKED, "primary"), ("Note by id", here), ("count Note", here)]
        token = await scope.consistency_token()
        assert token is await scope.consistency_token()
        assert [cause for cause, _ in causes(scope)].count(ASKED) == 1
        await write(scope, 100)
        later = await scope.consistency_token()
        assert [cause for cause, _ in causes(scope)].count(ASKED) == 2
        assert token is not None
        assert later is not None
        assert later.position is not None
        assert token.position is not None
        assert later.position.covers(token.position)
        assert later.position != token.position


async def test_tasks_that_read_at_once_after_a_commit_ask_once(three: Database):
    async with three.scope() as scope:
        await write(scope)
        async with scope.routed(ReadYourWrites(wait=30)) as other:
            await asyncio.gather(
                *(NoteRepository(one).count() for one in (scope, other) for _ in range(5)),
                *(scope.consistency_token() for _ in range(5)),
            )
        assert [cause for cause, _ in causes(scope)].count(ASKED) == 1


async def test_a_commit_asks_nothing_as_long_as_nobody_needs_it(three: Database):
    async with three.scope() as scope:
        with assert_statements(1, three):
            await write(scope)
        assert [cause for cause, _ in causes(scope)].count(ASKED) == 0
    async with three.scope(routing=AnyReplica()) as scope:
        await write(scope, 100)
        await server_of(scope)
        assert [cause for cause, _ in causes(scope)].count(ASKED) == 0


async def test_the_next_request_reads_from_a_replica_that_has_it(three: Database):
    async with three.scope() as scope:
        await write(scope)
        token = await scope.consistency_token()
    assert token is not None
    text_of_it = three.tokens.write(token)
    for given in (token, text_of_it):
        async with three.scope(token=given) as scope:
            assert scope.has_writes
            assert await server_of(scope, 99) == "written"
            (here,) = endpoints_of(scope)
            assert here.startswith("replica")
            passed_on = await scope.consistency_token()
            assert passed_on is not None
            assert passed_on.position == token.position


async def test_a_token_that_nobody_has_reached_is_the_primary_after_the_wait(three: Database):
    now = await three.consistency_token()
    assert now.position is not None
    ahead = Position(now.position.timeline, now.position.lsn + 2**30, now.position.system)
    async with three.scope(token=ConsistencyToken(ahead, time()), routing=ReadYourWrites(wait=0.05)) as scope:
        await server_of(scope)
        assert endpoints_of(scope) == ["primary"]
        (route,) = [one for one in scope.events.events if type(one).__name__ == "RouteEvent"]
        assert route.waited >= 0.05


@pytest.mark.parametrize("other", ["cluster", "timeline"])
async def test_a_token_from_elsewhere_means_the_primary_at_once(three: Database, other: str):
    now = (await three.consistency_token()).position
    assert now is not None
    if other == "cluster":
        place = Position(now.timeline, 1, now.system + 1)
    else:
        place = Position(now.timeline + 1, 1, now.system)
    async with asyncio.timeout(20), three.scope(token=ConsistencyToken(place, time())) as scope:
        await server_of(scope)  # the policy would wait 30 seconds
        assert endpoints_of(scope) == ["primary"]


async def test_a_token_that_runs_out_within_a_scope_binds_it_no_more(
    three: Database, monkeypatch: pytest.MonkeyPatch
):
    now = (await three.consistency_token()).position
    assert now is not None
    ahead = ConsistencyToken(Position(now.timeline, now.lsn + 2**30, now.system), time())
    async with three.scope(token=ahead) as scope:
        monkeypatch.setattr("batchrepo.routing.tokens.time", lambda: time() + 61)
        await server_of(scope)
        assert endpoints_of(scope)[0].startswith("replica")


async def test_what_was_written_beside_scopes(three: Database):
    async with three.engine.begin() as connection:
        await connection.execute(text("INSERT INTO note (id, server, author_id) VALUES (77, 'beside', 1)"))
    token = await three.consistency_token()
    async with three.scope(token=token) as scope:
        assert await server_of(scope, 77) == "beside"


async def test_a_user_without_rights_may_ask_for_positions(postgres_url: str):
    from sqlalchemy.engine import make_url

    making = create_async_engine(postgres_url, isolation_level="AUTOCOMMIT")
    url: URL = make_url(postgres_url)
    async with making.connect() as connection:
        await connection.execute(text("DROP ROLE IF EXISTS batchrepo_plain"))
        await connection.execute(text("CREATE ROLE batchrepo_plain LOGIN PASSWORD 'plain'"))
        plain = url.set(username="batchrepo_plain", password="plain")
        async with Database(plain, replicas=[plain], health=SELDOM) as db:
            token = await db.consistency_token()
            assert token.position is not None
            async with db.scope():
                await router_of(db).looked()
            assert [one.state for one in db.status().endpoints] == ["up", "up"]
            assert db.status().replicas[0].lag is not None
        await connection.execute(text("DROP ROLE batchrepo_plain"))
    await making.dispose()


async def test_a_database_without_positions_says_the_primary_alone(tmp_path: Path):
    async with files(tmp_path, replicas=["replica-1"]) as db:
        assert (await db.consistency_token()).position is None
        async with db.scope() as scope:
            assert await scope.consistency_token() is None
            await write(scope)
            token = await scope.consistency_token()
        assert token is not None
        assert token.position is None
        async with db.scope(token=db.tokens.write(token)) as scope:
            assert await server_of(scope) == "primary"


async def test_a_primary_whose_position_cannot_be_had_is_the_one_to_ask(tmp_path: Path):
    primary = made_endpoint("primary", tmp_path, dialect="postgresql")
    router, _ = scripted(
        primary, [], {"primary": [TimeoutError(), Answer(Position(1, 9, 7), recovering=False)]}
    )
    consistency, log = Consistency(), EventLog()
    consistency.committed()
    token = await consistency.token(router, log)
    assert token is not None
    assert token.position is None
    assert log.statement_count == 0
    # The next commit's position is behind whatever only the primary could show before.
    consistency.committed()
    token = await consistency.token(router, log)
    assert token is not None
    assert token.position == Position(1, 9, 7)


async def test_a_token_that_must_be_seen_from_now_on_makes_the_choice_anew(three: Database):
    async with three.scope() as scope:
        await server_of(scope)
        now = (await three.consistency_token()).position
        assert now is not None
        place = Position(now.timeline + 1, 1, now.system)
        scope._family.consistency.require(ConsistencyToken(place, time()))
        await server_of(scope, 10)
        async with scope.routed(ReadYourWrites()) as other:
            await NoteRepository(other).count()
        assert endpoints_of(scope)[-1] == "primary"


async def test_a_replica_that_fails_while_another_comes_up_to_it_is_not_the_end_of_the_wait(tmp_path: Path):
    from batchrepo import DatabaseUnavailable

    primary, one, two = (
        made_endpoint(name, tmp_path, dialect="postgresql") for name in ("primary", "a", "b")
    )
    gone = DatabaseUnavailable("No connection")
    gone.__cause__ = OSError("refused")
    late = [Answer(Position(1, lsn, 7), recovering=True) for lsn in (5, 6, 7, 8, 9)]
    router, told = scripted(
        primary,
        [one, two],
        {"a": [gone], "b": late, "primary": [Answer(Position(1, 9, 7), recovering=False)]},
    )
    assert await router.replayed([one, two], Position(1, 9, 7), within=30) is two
    assert [event.endpoint for event in told] == ["a"]
    assert await router.replayed([one], Position(1, 9, 7), within=30) is None


def test_checks_are_those_that_are_given(tmp_path: Path):
    checks = HealthChecks(interval=7)
    db = Database(made_endpoint("primary", tmp_path).engine, health=checks)
    assert router_of(db).checks is checks
