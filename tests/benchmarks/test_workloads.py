"""Every stack of each workload answers, equally, with the number of statements it claims; nothing is timed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest
import pytest_asyncio
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.data import Dataset, fill
from benchmarks.instructions import count_instructions, valgrind_missing
from benchmarks.measure import Effort, check_equal, measure
from benchmarks.models import Comment, Post
from benchmarks.network.round_trip import SELECT_1
from benchmarks.report import records
from benchmarks.workload import Ground, Measured, Stack, Target, Workload
from benchmarks.workloads import WORKLOADS, workload
from benchmarks.workloads.bulk.grounds import Left
from benchmarks.workloads.deep_page.core import by_hand
from benchmarks.workloads.deep_page.orders import NULLS_FIRST, NULLS_LAST, ORDERS, SIZE, Order
from benchmarks.workloads.nested_list.naive import NAIVE
from tests.support.services import service_missing

STATEMENTS = {
    "nested_list": {
        "batchrepo_single": 1,
        "batchrepo_json": 5,
        "batchrepo_inline": 3,
        "batchrepo_views": 5,
        "core": 5,
        "core_fewest": 3,
        "aiodataloader_core": 5,
        "aiodataloader_orm": 5,
        "pydantic_resolve": 5,
        "advanced_alchemy": 4,  # the author of a post is joined
        "orm_selectinload": 5,
    },
    "network": {},
    "nested_graphql": {
        "batchrepo": 1,
        "batchrepo_rows": 5,
        "batchrepo_visited": 5,
        "floor": 0,
        "loaders_core": 5,
        "aiodataloader_core": 5,
        "loaders_orm": 5,
        "strawchemy": 1,
        "strawberry_chemist": 5,
    },
    "thousand_keys": {
        "batchrepo_get_many": 1,
        "batchrepo_gather": 1,
        "core": 1,
        "aiodataloader_gather": 1,
        "strawberry_gather": 1,
    },
    "sparse_fields": {
        "batchrepo_fields": 1,
        "batchrepo_view": 1,
        "core": 1,
        "core_all_columns": 1,
        "orm_load_only": 1,
        "orm_entity": 1,
    },
    "routing": {"no_routing": 5, "no_replicas": 5, "two_replicas": 5, "core": 5},
    **{
        order.name: {
            f"{means}_{page}": count
            for means, count in {
                "batchrepo": 1,
                "core": 1,
                "sqlakeyset_core": 1,
                "sqlakeyset_orm": 1,
                "offset": 1,
                "offset_count": 2,
            }.items()
            for page in ("first", "deep")
        }
        for order in ORDERS
    },
    "bulk_insert": {
        "batchrepo": 0,  # COPY, which the driver runs by itself
        "batchrepo_keys": 1,
        "core_executemany": 1,
        "core_insertmanyvalues": 1,
        "orm_session_execute": 1,
        "orm_add_all": 1,
        "orm_add_all_keys": 1,
        "advanced_alchemy": 1,
        "advanced_alchemy_keys": 1,
    },
    "bulk_update": {"batchrepo": 1, "core_executemany": 1, "orm_session_execute": 1, "orm_flush": 2},
    "bulk_upsert": {"batchrepo": 1, "core_executemany": 1, "advanced_alchemy": 1},
    # Past SQLAlchemy, too: straight to the driver.
    "bulk_sqlite": {"batchrepo": 0, "core_executemany": 1},
}

UNCOUNTED = {
    # asyncpg without SQLAlchemy, here and below
    "nested_list": {
        *(NAIVE.name, "statement_by_hand", "statement_texts", "statement_arrays"),
        *("raw_asyncpg", "raw_asyncpg_fewest"),
    },
    # those of nested_list, whose statements are counted there
    "network": {stack.name for stack in workload("network").stacks},
    "thousand_keys": {"raw_asyncpg"},
    "bulk_insert": {"copy", "copy_keys"},
    "bulk_update": {"copy_update"},
    "bulk_upsert": {"copy_upsert"},
}

ROWS = {
    "nested_list": 50,
    "network": 50,
    "nested_graphql": 50,
    "thousand_keys": 100,
    "sparse_fields": 1_000,
    "routing": 50,
    **{order.name: SIZE for order in ORDERS},
    **dict.fromkeys(("bulk_insert", "bulk_update", "bulk_upsert", "bulk_sqlite"), 200),
}


@pytest.fixture(scope="module")
def dataset(postgres_server) -> Iterator[Dataset]:
    """Filled once: what writes has a table of its own, which it takes away."""
    with postgres_server.empty_database() as url:
        filled = Dataset(url.render_as_string(hide_password=False), scale=0.001)
        asyncio.run(fill(filled))
        yield filled


@contextmanager
def statements_of_every_engine() -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        # How asyncpg's dialect pings, and what begins and ends transactions.
        if statement != ";" and statement.split(maxsplit=1)[0] not in (
            "BEGIN",
            "SAVEPOINT",
            "RELEASE",
            "COMMIT",
        ):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("item", WORKLOADS, ids=lambda item: item.name)
async def test_all_stacks_give_equal_answers(item: Workload, dataset: Dataset) -> None:
    async with AsyncExitStack() as opened:
        ground = await opened.enter_async_context(item.ground(dataset))
        requests = [
            (stack, await opened.enter_async_context(stack.open(ground.dataset))) for stack in item.measurable
        ]
        answers = await check_equal(item, requests, ground)
        again = await check_equal(item, requests, ground)
    assert answers == again
    assert answers.keys() == {stack.case for stack in item.stacks}
    rows = {
        answer.rows if isinstance(answer, Left) else len(answer)
        for case, answer in answers.items()
        if case != SELECT_1.case
    }
    assert rows == {ROWS[item.name]}


@pytest.mark.parametrize(
    ("name", "stack"), [(name, stack) for name in STATEMENTS for stack in STATEMENTS[name]]
)
async def test_a_stack_runs_the_statements_that_it_claims(name: str, stack: str, dataset: Dataset) -> None:
    item = workload(name)
    async with item.ground(dataset) as ground, item.stack(stack).open(ground.dataset) as request:
        await ground.reset()
        await request()  # what a driver asks once belongs to no request
        await ground.reset()
        with statements_of_every_engine() as seen:
            await request()
    assert len(seen) == STATEMENTS[name][stack], "\n".join(seen)


def test_every_stack_has_its_number_of_statements_checked_or_is_known_not_to() -> None:
    assert {w.name: {stack.name for stack in w.stacks} for w in WORKLOADS} == {
        name: {*stacks, *UNCOUNTED.get(name, ())} for name, stacks in STATEMENTS.items()
    }


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
async def test_the_deep_page_is_behind_a_fifth_of_all_comments(order: Order, dataset: Dataset) -> None:
    engine = create_async_engine(dataset.url)
    try:
        async with engine.connect() as connection:
            ids = list(await connection.scalars(sa.select(Comment.id).order_by(*order.terms)))
    finally:
        await engine.dispose()
    async with workload(order.name).stack("batchrepo_deep").open(dataset) as request:
        found = [item["id"] for item in json.loads(await request())["items"]]
    start = len(ids) // 5
    assert found == ids[start - SIZE : start]


@pytest.mark.parametrize(
    ("order", "nulls"), [(NULLS_LAST, {False}), (NULLS_FIRST, {True})], ids=("nulls_last", "nulls_first")
)
async def test_both_pages_of_an_order_with_nulls_are_on_the_side_that_it_says(
    order: Order, nulls: set[bool], dataset: Dataset
) -> None:
    item = workload(order.name)
    for page in ("first", "deep"):
        async with item.stack(f"core_{page}").open(dataset) as request:
            assert {row["edited_at"] is None for row in item.plain(await request())} == nulls


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
async def test_hand_written_core_walks_the_whole_order(order: Order, dataset: Dataset) -> None:
    """What the targets compare with must be right, where values end and NULLs begin too."""
    walked: list[int] = []
    for page in range(1, dataset.comments // SIZE + 1):
        async with by_hand(order, page, dataset) as request:
            answer = json.loads(await request())
        walked += [item["id"] for item in answer["items"]]
        assert answer["has_next"] == (len(walked) < dataset.comments)
    engine = create_async_engine(dataset.url)
    try:
        async with engine.connect() as connection:
            ids = list(await connection.scalars(sa.select(Comment.id).order_by(*order.terms)))
    finally:
        await engine.dispose()
    assert walked == ids


async def test_the_nested_answer_has_what_makes_it_hard(dataset: Dataset) -> None:
    item = workload("nested_list")
    async with item.stack("core").open(dataset) as request:
        posts = item.plain(await request())
    comments = {len(post["latest_comments"]) for post in posts}
    assert max(comments) == 3
    assert min(comments) < 3
    assert min(len(post["tags"]) for post in posts) == 0
    assert max(len(post["tags"]) for post in posts) == 5
    most = (
        sa.select(sa.func.count().label("comments")).select_from(Comment).group_by(Comment.post_id).subquery()
    )
    engine = create_async_engine(dataset.url)
    try:
        async with engine.connect() as connection:
            assert await connection.scalar(sa.select(sa.func.count()).select_from(Post)) == dataset.posts
            assert await connection.scalar(sa.select(sa.func.max(most.c.comments))) > 3, (
                "the limit cuts nothing"
            )
    finally:
        await engine.dispose()


@pytest_asyncio.fixture
async def two_databases(postgres_server) -> AsyncIterator[tuple[Dataset, Dataset]]:
    with postgres_server.empty_database() as first, postgres_server.empty_database() as second:
        filled = [Dataset(url.render_as_string(hide_password=False), scale=0.001) for url in (first, second)]
        for item in filled:
            await fill(item)
        yield filled[0], filled[1]


async def test_the_data_are_the_same_every_time(two_databases: tuple[Dataset, Dataset]) -> None:
    item = workload("nested_list")
    answers = []
    for dataset in two_databases:
        async with item.stack("core").open(dataset) as request:
            answers.append(await request())
    assert answers[0] == answers[1]


async def test_a_stack_that_answers_differently_stops_the_benchmark(dataset: Dataset) -> None:
    item = workload("thousand_keys")

    async def honest() -> object:
        return [1, 2]

    async def wrong() -> object:
        return [1, 3]

    stacks = [
        (Stack("core", "", item.stacks[0].open), honest),
        (Stack("other", "", item.stacks[0].open), wrong),
    ]
    plain = Workload("w", "", [stack for stack, _ in stacks], ["core"], lambda answer: answer, ())
    with pytest.raises(AssertionError, match="w: other and core answer differently"):
        await check_equal(plain, stacks, Ground(dataset))


async def test_measuring_gives_times_of_every_stack_and_judges_targets(dataset: Dataset) -> None:
    item = workload("nested_list")
    rounds: list[int] = []
    measured = await measure(item, dataset, Effort(warm_up=1, rounds=2, counted=0), rounds.append)
    assert rounds == [1, 2]
    assert {name: len(found.times) for name, found in measured.items()} == {
        stack.name: 1 if stack.slow else 2 for stack in item.stacks
    }
    written = records(item, measured)
    stacks = [record for record in written if "stack" in record]
    targets = [record for record in written if "target" in record]
    assert [record["stack"] for record in stacks] == [stack.name for stack in item.stacks]
    assert all(
        record.keys()
        == {
            *("workload", "stack", "baseline", "median_ms", "spread"),
            *("cpu_ms", "server_cpu_ms", "instructions"),
        }
        for record in stacks
    )
    assert all(record.keys() == {"workload", "target", "value", "met"} for record in targets)
    # Without valgrind the instructions are unknown, which is neither met nor missed.
    assert [record["met"] for record in targets if "instructions" in record["target"]] == [None] * 2


@pytest.mark.parametrize(
    ("at_most", "at_least", "value", "met"),
    [
        (1.5, None, 1.5, True),
        (1.5, None, 1.51, False),
        (None, 2.5, 2.5, True),
        (None, 2.5, 2.49, False),
        (1, None, None, None),
    ],
)
def test_a_target_is_met_up_to_its_bound(at_most, at_least, value, met) -> None:
    target = Target("t", lambda measured: value, at_most=at_most, at_least=at_least)
    assert target.met(target.value({"a": Measured([1.0], [1.0])})) is met


@pytest.fixture
def _children_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under valgrind a child takes fifty times as long: it is not measured for coverage too, and warms up less."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    monkeypatch.setattr("benchmarks.instructions.WARM_UP", 12)


@pytest.mark.usefixtures("_children_alone")
async def test_instructions_per_request_do_not_depend_on_how_many_requests_are_counted(
    dataset: Dataset,
) -> None:
    if missing := valgrind_missing():
        service_missing("valgrind", missing)
    item = workload("thousand_keys")
    few, many = [
        await asyncio.to_thread(count_instructions, item, item.stack("core"), dataset, requests)
        for requests in (3, 9)
    ]
    assert few == pytest.approx(many, rel=0.1)
    assert many > 0.5, "SQLAlchemy alone takes more for one statement"


@pytest.mark.usefixtures("_children_alone")
async def test_a_child_that_fails_under_valgrind_is_an_error_with_its_output(dataset: Dataset) -> None:
    if missing := valgrind_missing():
        service_missing("valgrind", missing)
    item = workload("thousand_keys")
    url = sa.make_url(dataset.url).set(database="nowhere").render_as_string(hide_password=False)
    with pytest.raises(
        RuntimeError, match=r'thousand_keys/core under valgrind: (?s:.*)"nowhere" does not exist'
    ):
        await asyncio.to_thread(count_instructions, item, item.stack("core"), Dataset(url), 1)
