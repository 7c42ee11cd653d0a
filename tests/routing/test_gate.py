"""How many reads at once the primary answers in place of replicas that are all down."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from batchrepo import DatabaseUnavailable, HealthChecks
from batchrepo.routing.failures import failure_of
from batchrepo.routing.gate import Gate
from tests.routing.servers import Note, NoteRepository, NoteView, endpoint_of, files, router_of, server_of


async def test_so_many_are_let_in_and_the_others_wait():
    gate, leave = Gate(2, wait=30), asyncio.Event()
    most = 0

    async def read() -> None:
        nonlocal most
        async with gate.entered():
            most = max(most, gate.inside)
            await leave.wait()

    tasks = [asyncio.create_task(read()) for _ in range(5)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert gate.inside == 2
    leave.set()
    await asyncio.gather(*tasks)
    assert (most, gate.inside) == (2, 0)


async def test_who_waits_too_long_is_sent_away_with_the_way_out():
    gate = Gate(1, wait=0.01)
    async with gate.entered():
        with pytest.raises(DatabaseUnavailable) as caught:
            async with gate.entered():
                raise AssertionError("there is no place")
    assert str(caught.value) == (
        "All replicas are down, and the primary answers 1 reads at once in their place: none of them ended within "
        "0.01 s. Try again later, or raise HealthChecks(primary_reads=)."
    )
    # The primary is busy, not away: nobody may take it out for that.
    assert failure_of(caught.value) is None
    async with gate.entered():
        assert gate.inside == 1


async def test_a_place_is_given_back_by_who_fails_and_by_who_is_cancelled():
    gate = Gate(1, wait=30)
    with pytest.raises(ValueError, match="inside"):
        async with gate.entered():
            raise ValueError("inside")

    async def stay() -> None:
        async with gate.entered():
            await asyncio.Event().wait()

    inside, waiting = asyncio.create_task(stay()), asyncio.create_task(stay())
    for _ in range(3):
        await asyncio.sleep(0)
    waiting.cancel()
    inside.cancel()
    await asyncio.wait({inside, waiting})
    async with gate.entered():
        assert gate.inside == 1


def test_a_gate_serves_one_loop_after_another():
    gate = Gate(1, wait=30)

    async def crowd() -> None:
        async def read() -> None:
            async with gate.entered():
                await asyncio.sleep(0)

        await asyncio.gather(*(read() for _ in range(3)))

    for _ in range(2):
        asyncio.run(crowd())
    assert gate.inside == 0


async def test_only_reads_in_place_of_replicas_pass_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    entered = 0
    original = Gate.entered

    def counted(gate: Gate):
        nonlocal entered
        entered += 1
        return original(gate)

    monkeypatch.setattr(Gate, "entered", counted)
    async with files(tmp_path, health=HealthChecks(interval=3_600, primary_reads=1)) as db:
        assert router_of(db).gate.most == 1
        async with db.scope() as scope:
            await server_of(scope)
        assert entered == 0
        for name in ("replica-1", "replica-2"):
            router_of(db).change(endpoint_of(db, name), "down", "for a test")
        async with db.scope() as scope:
            notes = NoteRepository(scope)
            found = await asyncio.gather(*(notes.find(NoteView, Note.id == key) for key in (10, 11, 20, 21)))
        assert [note.server for (note,) in found] == ["primary"] * 4
        assert entered == 4


@pytest.mark.parametrize(("settings", "most"), [({}, 5), ({"pool_size": 30, "max_overflow": 10}, 20)])
async def test_half_of_the_primarys_connections_are_for_reads(tmp_path: Path, settings: dict, most: int):
    async with files(tmp_path, **settings) as db:
        assert router_of(db).gate.most == most
