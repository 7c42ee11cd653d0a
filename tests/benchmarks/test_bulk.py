"""The bulk workloads: what they begin with, what must be left, and that a wrong answer is seen."""

from __future__ import annotations

import gc
import tracemalloc
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.measure import Effort, check_equal, measure
from benchmarks.memory.bulk import BULK_MEMORY, COPY, OURS
from benchmarks.memory.child import rows_one_by_one
from benchmarks.memory.measure import measure_memory
from benchmarks.memory.report import memory_records
from benchmarks.memory.workload import MemoryWorkload, Writer
from benchmarks.report import records
from benchmarks.workload import Stack, Workload
from benchmarks.workloads import WORKLOADS, workload
from benchmarks.workloads.bulk.grounds import empty, empty_file
from benchmarks.workloads.bulk.remarks import (
    FIELDS,
    BulkBase,
    Remark,
    changed_rows,
    count_of,
    keyed_rows,
    new_rows,
)

BULK = [item for item in WORKLOADS if item.name.startswith("bulk_")]
COUNT = 200
COLUMNS = ("id", *FIELDS)


@pytest.fixture
def dataset(postgres_url: str) -> Dataset:
    return Dataset(postgres_url, scale=0.001)


async def table(dataset: Dataset) -> dict[int, tuple[Any, ...]]:
    """All rows by key."""
    engine = reading_engine(dataset)
    try:
        async with engine.connect() as connection:
            rows = await connection.execute(sa.select(*(Remark.__table__.c[name] for name in COLUMNS)))
            return {row[0]: tuple(row[1:]) for row in rows}
    finally:
        await engine.dispose()


def by_key(rows: list[dict[str, Any]]) -> dict[int, tuple[Any, ...]]:
    return {row["id"]: tuple(row[name] for name in FIELDS) for row in rows}


def numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": key, **row} for key, row in enumerate(rows, start=1)]


def updated() -> dict[int, tuple[Any, ...]]:
    rows = {row["id"]: row for row in numbered(new_rows(COUNT))}
    for change in changed_rows(COUNT):
        rows[change["id"]].update(change)
    return by_key(list(rows.values()))


AFTER = {
    "bulk_insert": lambda: by_key(numbered(new_rows(COUNT))),
    "bulk_update": updated,
    "bulk_upsert": lambda: by_key(keyed_rows(COUNT)),
}
BEFORE = {
    "bulk_insert": dict,
    "bulk_update": lambda: by_key(numbered(new_rows(COUNT))),
    "bulk_upsert": lambda: by_key([row for row in numbered(new_rows(COUNT)) if row["id"] % 2 == 0]),
}


@pytest.mark.parametrize("name", AFTER)
async def test_every_stack_leaves_the_rows_that_it_was_given(name: str, dataset: Dataset) -> None:
    """All stacks are compared with the baseline; this compares the baselines with the input."""
    item = workload(name)
    async with item.ground(dataset) as ground:
        for baseline in item.baselines:
            async with item.stack(baseline).open(ground.dataset) as request:
                for _ in range(2):
                    await ground.reset()
                    assert await table(dataset) == BEFORE[name]()
                    await request()
                    assert await table(dataset) == AFTER[name]()


@pytest.mark.parametrize("item", BULK, ids=lambda item: item.name)
async def test_nothing_is_left_of_a_workload(item: Workload, dataset: Dataset) -> None:
    async with item.ground(dataset) as ground:
        await ground.reset()
    engine = reading_engine(dataset)
    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names()) == []
    finally:
        await engine.dispose()


def _wrong(item: Workload, sql: str) -> Workload:
    """The workload with a stack beside its baseline that spoils what that one did."""
    right = item.stack(item.baselines[0])

    @asynccontextmanager
    async def spoiled(dataset: Dataset):
        engine = reading_engine(dataset)
        async with right.open(dataset) as request:

            async def request_and_spoil() -> Any:
                answer = await request()
                async with engine.connect() as connection:
                    await connection.exec_driver_sql(sql)
                return answer

            yield request_and_spoil
        await engine.dispose()

    stacks = (right, Stack("spoiled", "", spoiled))
    return Workload(item.name, "", stacks, (right.name,), item.plain, (), item.ground)


@pytest.mark.parametrize("item", BULK, ids=lambda item: item.name)
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE remark SET score = NULL WHERE id = 17",
        "UPDATE remark SET body = 'x' WHERE id = 17",
        "DELETE FROM remark WHERE id = 17",
    ],
)
async def test_a_single_wrong_value_stops_the_benchmark(item: Workload, sql: str, dataset: Dataset) -> None:
    wrong = _wrong(item, sql)
    async with wrong.ground(dataset) as ground:
        right, spoiled = wrong.stacks
        async with right.open(ground.dataset) as one, spoiled.open(ground.dataset) as other:
            with pytest.raises(AssertionError, match=r"spoiled and .* answer differently"):
                await check_equal(wrong, [(right, one), (spoiled, other)], ground)


async def test_keys_in_another_order_than_the_rows_stop_the_benchmark(dataset: Dataset) -> None:
    item = workload("bulk_insert")
    right = item.stack("core_insertmanyvalues")
    async with item.ground(dataset) as ground, right.open(ground.dataset) as request:

        async def swapped() -> list[int]:
            first, second, *rest = await request()
            return [second, first, *rest]

        other = Stack("other", "", right.open, case="keys")
        plain = Workload("w", "", (right, other), (right.name,), item.plain, ())
        with pytest.raises(AssertionError, match="w: other and core_insertmanyvalues answer differently"):
            await check_equal(plain, [(right, request), (other, swapped)], ground)


async def test_a_table_that_stays_empty_stops_the_benchmark(dataset: Dataset) -> None:
    item = workload("bulk_insert")

    async def nothing() -> None: ...

    async with item.ground(dataset) as ground:
        with pytest.raises(AssertionError, match="the baseline copy gave an empty answer"):
            await check_equal(item, [(item.stack("copy"), nothing)], ground)


async def test_long_requests_are_made_less_often_and_a_missing_stack_not_at_all(dataset: Dataset) -> None:
    item = workload("bulk_upsert")
    effort = Effort(warm_up=5, rounds=30, counted=10).of(item)
    assert (effort.warm_up, effort.rounds, effort.counted) == (1, 3, 0)
    missing = Stack("missing", "", item.stacks[0].open, needs="it is not installed")
    with_missing = Workload(
        item.name, "", (*item.stacks, missing), item.baselines, item.plain, item.targets, item.ground, 10
    )
    measured = await measure(with_missing, dataset, effort, lambda _: None)
    assert {name: len(found.times) for name, found in measured.items()} == {
        stack.name: 1 if stack.slow else 3 for stack in item.measurable
    }
    assert "missing" not in {record.get("stack") for record in records(with_missing, measured)}


def test_rows_have_what_makes_them_hard() -> None:
    for rows in (new_rows(COUNT), keyed_rows(COUNT)):
        assert len({row["created_at"] for row in rows}) == COUNT == count_of(Dataset("", 0.001))
        assert any(row["score"] is None for row in rows)
        assert any("\t" in row["body"] and "\\N" in row["body"] for row in rows)
    for rows in (changed_rows(COUNT), keyed_rows(COUNT)):
        keys = [row["id"] for row in rows]
        assert keys != sorted(keys)
        assert sorted(keys) == list(range(1, COUNT + 1))
    assert set(Remark.__table__.c.keys()) == set(COLUMNS)
    assert list(BulkBase.metadata.tables) == ["remark"]


async def peak_of_writing(writer: Writer, dataset: Dataset, count: int) -> int:
    """The peak of Python's memory in bytes, above what there was after the first rows."""
    async with writer.open(dataset) as write:
        await write(rows_one_by_one(1_000))
        gc.collect()
        tracemalloc.start()
        try:
            await write(rows_one_by_one(count))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("ground", [empty, empty_file], ids=["postgresql", "sqlite"])
async def test_rows_of_an_iterator_take_no_more_memory_where_there_are_more(ground, dataset: Dataset) -> None:
    async with ground(dataset) as opened:
        few, many = [await peak_of_writing(OURS, opened.dataset, count) for count in (25_000, 50_000)]
        assert len(await table(opened.dataset)) == 2_000 + 25_000 + 50_000
    assert many < 1.1 * few, f"25,000 rows took {few / 1e6:.1f} MB, 50,000 rows {many / 1e6:.1f} MB"
    # As dicts all of them are 24 MB.
    assert many < 15e6


async def test_memory_is_measured_in_a_process_of_its_own(dataset: Dataset) -> None:
    small = Dataset(dataset.url, scale=0.005)
    told: list[str] = []
    measured = await measure_memory(BULK_MEMORY, small, told.append)
    assert told == list(measured) == ["batchrepo", "copy"]
    for grown in measured.values():
        assert grown.rows == 5_000
        assert grown.seconds > 0
        assert 0 <= grown.peak < 200
    written = memory_records(BULK_MEMORY, measured)
    assert [record["stack"] for record in written if "stack" in record] == told
    assert [(record["target"], record["met"]) for record in written if "target" in record] == [
        ("batchrepo peak in MB <= 200", True)
    ]


async def test_a_writer_that_fails_is_an_error_with_its_output(dataset: Dataset) -> None:
    nameless = MemoryWorkload("unknown", "", (COPY,), ())
    with pytest.raises(RuntimeError, match=r"unknown/copy failed:(?s:.*)KeyError"):
        await measure_memory(nameless, dataset, lambda _: None)
