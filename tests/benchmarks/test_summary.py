"""What targets are computed from."""

from __future__ import annotations

import pytest

from benchmarks.summary import instructions_of, median_ratio
from benchmarks.workload import Measured, Stack


def stack(name: str) -> Stack:
    return Stack(name, "", None)  # type: ignore[arg-type]  # which is never opened


OURS, SLOWER, FASTER = stack("ours"), stack("slower"), stack("faster")
MEASURED = {
    "ours": Measured([1, 3, 8], [], instructions=4.5),
    "slower": Measured([6, 7, 7], []),
    "faster": Measured([1, 2, 9], []),
}


@pytest.mark.parametrize("others", [(SLOWER, FASTER), (FASTER, SLOWER), (FASTER,)])
def test_a_ratio_is_of_medians_and_to_the_fastest_of_several(others: tuple[Stack, ...]) -> None:
    assert median_ratio(OURS, *others)(MEASURED) == 1.5


def test_there_is_no_ratio_where_one_of_them_is_not_measured() -> None:
    few = {name: found for name, found in MEASURED.items() if name != "slower"}
    assert median_ratio(OURS, FASTER, SLOWER)(few) is None
    assert median_ratio(SLOWER, FASTER)(few) is None


def test_instructions_are_those_that_were_counted() -> None:
    assert instructions_of(OURS)(MEASURED) == 4.5
    assert instructions_of(FASTER)(MEASURED) is None
    assert instructions_of(stack("unknown"))(MEASURED) is None
