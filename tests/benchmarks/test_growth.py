"""Growth: the exponents are right, all ways answer equally, and the number of statements does not grow."""

from __future__ import annotations

from dataclasses import replace

import pytest
import pytest_asyncio

from benchmarks.data import Dataset, fill
from benchmarks.growth.fit import exponent, local_exponents
from benchmarks.growth.measure import measure_growth, rounds_of
from benchmarks.growth.nested import GROWTH, OURS
from benchmarks.growth.report import growth_records
from benchmarks.measure import Effort

SIZES = (10, 100, 1_000, 10_000)


@pytest.mark.parametrize("power", [0.5, 1, 1.5, 2])
def test_the_exponent_of_a_power_is_found(power: float):
    costs = {size: 0.3 * size**power for size in SIZES}
    assert exponent(costs) == pytest.approx(power)
    assert local_exponents(costs) == pytest.approx([power] * 3)


def test_a_fixed_cost_flatters_the_fit_over_all_sizes_and_less_the_one_over_the_larger():
    costs = {size: 10 + size * 0.1 for size in SIZES}
    whole, settled = exponent(costs), exponent(costs, above=100)
    assert whole is not None
    assert settled is not None
    assert whole < settled < 1
    assert max(local_exponents(costs)) == pytest.approx(1, abs=0.05)


def test_one_size_tells_nothing_of_growth():
    assert exponent({10: 1.0}) is None
    assert exponent({10: 1.0, 100: 2.0}, above=100) is None
    assert local_exponents({10: 1.0}) == []


def test_there_are_fewer_rounds_of_larger_sizes():
    rounds = [rounds_of(size, Effort(rounds=300)) for size in SIZES]
    assert rounds == [300, 150, 15, 5]
    assert rounds_of(10_000, Effort(rounds=2)) == 2


@pytest_asyncio.fixture
async def dataset(postgres_url: str) -> Dataset:
    filled = Dataset(postgres_url, scale=0.001)
    await fill(filled)
    return filled


async def test_all_ways_answer_equally_and_ours_with_the_same_statements_for_any_number(dataset: Dataset):
    done: list[int] = []
    item = replace(GROWTH, sizes=(5, 25, 1_000))
    measured = await measure_growth(item, dataset, Effort(warm_up=1, rounds=2), done.append)
    assert done == [1, 2]
    assert all(list(grown.times) == [5, 25] for grown in measured.values()), "there are not 1,000 posts"
    statements = {name: set(grown.statements.values()) for name, grown in measured.items()}
    assert statements["batchrepo_auto"] == {1}
    assert [len(statements[way.name]) for way in OURS] == [1] * len(OURS)
    assert max(max(statements[way.name]) for way in OURS) <= 5
    assert min(statements["naive_loop"]) > 5, "what counts statements counts all of them"
    written = growth_records(item, measured)
    assert len([record for record in written if "exponent" in record]) == len(GROWTH.ways)
    assert {record["stack"] for record in written if "parents" in record} == set(measured)
    targets = {record["target"] for record in written if "target" in record}
    assert len(targets) == len(GROWTH.targets)
    assert {f"{way.name}, {which}exponent <= 1.05" for way in OURS for which in ("", "worst ")} < targets
