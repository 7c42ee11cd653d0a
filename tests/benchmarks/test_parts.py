"""Every part of the nested read that is counted runs, in the number of statements that its way takes."""

from __future__ import annotations

import pytest

from benchmarks.data import Dataset, fill
from benchmarks.parts.sections import WAYS, opened

STATEMENTS = {"before": 5, "driver path": 5, "inline": 3}


@pytest.fixture
async def dataset(postgres_url: str) -> Dataset:
    made = Dataset(postgres_url, scale=0.001)
    await fill(made)
    return made


async def test_every_section_does_its_part(dataset: Dataset) -> None:
    assert set(STATEMENTS) == set(WAYS)
    async with opened(dataset) as sections:
        for way, statements in STATEMENTS.items():
            parts = sections[f"{way}: request"].__self__  # type: ignore[attr-defined]
            assert len(parts.asked) == len(parts.prepared) == statements
            assert len(parts.dicts) == 50
            assert all(post["author"]["name"] for post in parts.dicts)
        for section in sections.values():
            await section()
