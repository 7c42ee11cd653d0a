"""What `explain` says of a rich view, to the letter: its tree, the strategy with its reason, and the SQL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel

from batchrepo import Database, column, include
from batchrepo.testing import assert_statements
from tests.criteria.models import Label, Member, Page, Remark
from tests.criteria.repositories import REPOSITORIES as GUARDED
from tests.criteria.repositories import PageRepository
from tests.criteria.rows import fill
from tests.scope.repositories import REPOSITORIES, Keyed, Pages


class LabelView(BaseModel):
    id: int
    name: str


class RemarkView(BaseModel):
    id: int
    stars: int | None


class AuthorView(BaseModel):
    name: str
    mentor: Keyed | None


class PageView(BaseModel):
    id: int
    title: str
    author: AuthorView
    mentor_name: Annotated[str | None, column(Page.author, Member.mentor, Member.name)]
    labels: list[LabelView]
    good: Annotated[list[RemarkView], include(Page.remarks, where=Remark.stars >= 2, first=3)]
    remark_total: int
    stars: int
    last_remark: RemarkView | None


class GuardedView(BaseModel):
    id: int
    author: Keyed | None
    labelled: Annotated[
        list[Keyed], include(Page.remarks, where=Remark.page.has(Page.labels.any(Label.id == 1)))
    ]


def explained(url, view, repository, known):
    return str(Database(url, repositories=known).explain(view, repository))


FOLDER = Path(__file__).parent / "explained"
URLS = {"sqlite": "sqlite+aiosqlite://", "postgresql": "postgresql+asyncpg://localhost/none"}
VIEWS = {"page": (PageView, Pages, REPOSITORIES), "guarded": (GuardedView, PageRepository, GUARDED)}


@pytest.mark.parametrize("dialect", URLS)
@pytest.mark.parametrize("name", VIEWS)
def test_a_rich_view_is_explained_to_the_letter(dialect, name):
    """A change here is a change of what users see, or of the SQL that runs: look at it, then renew the file."""
    lines = explained(URLS[dialect], *VIEWS[name]).splitlines()
    assert [line.rstrip() for line in lines] == (FOLDER / f"{name}.{dialect}.txt").read_text().splitlines()


def test_a_strategy_that_is_asked_for_is_explained_with_its_reason():
    explanation = Database(URLS["sqlite"], repositories=REPOSITORIES).explain(
        PageView, Pages, strategy="eager"
    )
    assert explanation.choice.strategy == "eager"
    assert explanation.statements == ()
    assert "strategy: eager" in str(explanation)


@pytest.mark.parametrize("dialect", URLS)
def test_the_statements_are_the_lines_that_are_numbered(dialect):
    explanation = Database(URLS[dialect], repositories=REPOSITORIES).explain(PageView, Pages)
    assert [statement.level for statement in explanation.statements] == [0, 1, 1, 1, 1, 1, 2]
    assert explanation.answered == ("mentor",)
    assert repr(explanation) == "<Explanation batched, 7 statements>"


async def test_what_is_explained_is_what_runs(module_database_url):
    """The same texts; a level whose rows were all read above takes no statement, and all are read here."""
    async with Database(module_database_url, repositories=REPOSITORIES) as database:
        await fill(database.engine)
        explanation = database.explain(PageView, Pages)
        async with database.scope() as scope:
            with assert_statements(len(explanation.statements) - 1, database) as seen:
                await Pages(scope).find(PageView)
        assert set(seen.statements) == {statement.sql for statement in explanation.statements}
