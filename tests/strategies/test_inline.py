"""To-one relations inside the statement of their parents: where, and the same answer as with a statement each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from batchrepo import Database, DeclarationError, Page, Repository, column, include
from batchrepo.testing import assert_statements, statement_counter
from batchrepo.testing.contract.data import FAMILIES
from batchrepo.testing.contract.models import Base
from batchrepo.testing.contract.relations import repositories
from examples.chinook.models import Album, Artist, Track
from tests.strategies.test_single_generated import ordered, views

# --- any view, with it and without ---------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(module_database_url: str) -> AsyncIterator[tuple[Database, Database]]:
    """Databases over the same rows, which read inside of statements and do not."""
    known = [repository for family in FAMILIES for repository in repositories(family)]
    async with (
        Database(module_database_url, repositories=known, inline_lookups=300) as inline,
        Database(inline.engine, repositories=known) as apart,
    ):
        async with inline.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        for family in FAMILIES:
            await family.replace_rows(inline.engine, family.sample)
        yield inline, apart


@pytest.mark.asyncio(loop_scope="module")
@settings(
    max_examples=max(8, settings().max_examples // 10),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_the_answer_is_the_same(both: tuple[Database, Database], data: Any):
    family = data.draw(st.sampled_from(FAMILIES))
    mapper = data.draw(st.sampled_from(family.mappers))
    view = data.draw(views(mapper, both[0].engine.dialect))
    size = data.draw(st.integers(1, 5))
    repository, order = ordered(family, mapper)
    answers = []
    for db in both:
        async with db.scope() as scope:
            rows = repository(scope)
            with statement_counter(db) as ran:
                found = await rows.find(view, order_by=order, limit=size)
            page = await rows.page(view, order_by=order, first=size)
            text = await rows.find_json(view, order_by=order, limit=size, strategy="batched")
        answers.append((found, page.items, page.end_cursor is None, text))
        answers[-1] = (*answers[-1], ran.count)
    (*inline, fewer), (*apart, more) = answers
    assert inline == apart
    assert fewer <= more


# --- where ---------------------------------------------------------------------------------------------------


class AlbumRepository(Repository[Album]):
    pass


class TrackRepository(Repository[Track]):
    pass


class ArtistView(BaseModel):
    id: int
    name: str


class AlbumView(BaseModel):
    id: int
    artist: ArtistView


class FlatView(BaseModel):
    id: int
    artist: Annotated[str, column(Album.artist, Artist.name)]


class TrackOfAlbum(BaseModel):
    id: int
    album: AlbumView


class GenreView(BaseModel):
    name: str


class TrackOfGenre(BaseModel):
    id: int
    genre: GenreView


class WithTracks(BaseModel):
    id: int
    artist: ArtistView
    tracks: list[TrackOfAlbum]


class WithPage(BaseModel):
    id: int
    tracks: Annotated[Page[TrackOfGenre], include(Album.tracks, first=2)]


def chinook(url: Any, **options: Any) -> Database:
    return Database(
        url, **{"repositories": [AlbumRepository, TrackRepository], "inline_lookups": 300, **options}
    )


@pytest.mark.parametrize("view", [AlbumView, FlatView])
@pytest.mark.parametrize(
    ("options", "limit", "statements"),
    [
        ({}, 300, 1),
        ({}, 301, 2),
        ({}, None, 2),
        ({"inline_lookups": 5}, 5, 1),
        ({"inline_lookups": 5}, 6, 2),
        ({"inline_lookups": 0}, 1, 2),
        ({"driver_path": False}, 3, 1),
    ],
    ids=str,
)
async def test_where_few_rows_are_asked_for(
    chinook_url: str, view: type[BaseModel], options: dict[str, Any], limit: int | None, statements: int
):
    async with chinook(chinook_url, **options) as db, db.scope() as scope:
        albums = AlbumRepository(scope)
        for _ in range(4):  # to the driver path and on it
            with assert_statements(statements, db):
                found = await albums.find(view, order_by=Album.id, limit=limit)
        assert str(found[0]).startswith("id=1 artist=")
        assert "AC/DC" in str(found[0])


async def test_by_key_and_by_page(chinook_url: str):
    async with chinook(chinook_url) as db, db.scope() as scope:
        albums = AlbumRepository(scope)
        with assert_statements(1, db):
            one = await albums.get(1, AlbumView)
        with assert_statements(1, db):
            assert await albums.get_json(1, AlbumView) == b'{"id":1,"artist":{"id":1,"name":"AC/DC"}}'
        with assert_statements(1, db):
            page = await albums.page(AlbumView, order_by=Album.id, first=2)
        assert page.items[0] == one


async def test_a_row_that_is_shared_by_an_unknown_number_of_others_has_a_statement_of_its_own(
    chinook_url: str,
):
    """Nobody knows how many tracks an album has; what albums show is remembered through the whole read."""
    async with chinook(chinook_url) as db, db.scope() as scope:
        with assert_statements(4, db) as ran:
            (found,) = await AlbumRepository(scope).find(WithTracks, Album.id == 1, limit=1)
        assert [track.album.artist for track in found.tracks] == [found.artist] * len(found.tracks)
        assert "artist" in ran.statements[0]


async def test_rows_of_many_parents_that_an_index_finds(chinook_url: str):
    """PostgreSQL finds the first rows of each by the index; elsewhere all rows of all parents would be looked up."""
    async with chinook(chinook_url) as db, db.scope() as scope:
        albums = AlbumRepository(scope)
        inside = db.engine.dialect.name == "postgresql"
        with assert_statements(2 if inside else 3, db):
            few = await albums.find(WithPage, order_by=Album.id, limit=3)
        with assert_statements(3, db):
            many = await albums.find(WithPage, order_by=Album.id, limit=101)
    assert few == many[:3]
    assert few[0].tracks.items[0].genre.name == "Rock"


class Declared(Repository[Album]):
    loading = {Album.artist: "batch"}  # noqa: RUF012


async def test_a_declared_policy_stays_as_it_is(chinook_url: str):
    async with chinook(chinook_url, repositories=[Declared]) as db, db.scope() as scope:
        with assert_statements(2, db):
            await Declared(scope).find(AlbumView, limit=1)


@pytest.mark.parametrize("wrong", [-1, 1.5, "many", None])
def test_the_number_is_checked(wrong: Any):
    with pytest.raises(DeclarationError, match="inline_lookups= expects 0 or more"):
        Database("sqlite+aiosqlite://", repositories=[AlbumRepository], inline_lookups=wrong)
