"""Wrong settings of a Database and of a scope are refused where they are given."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from batchrepo import ONE, Database, DeclarationError, InvalidArgument, Repository

URL = "sqlite+aiosqlite://"


class Base(DeclarativeBase):
    pass


class Artist(Base):
    __tablename__ = "artist"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Album(Base):
    __tablename__ = "album"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]


class ArtistRepository(Repository[Artist]):
    pass


class AlbumRepository(Repository[Album]):
    pass


class StrayRepository(Repository[Album]):
    pass


class IdView(BaseModel):
    id: int


class AlbumView(BaseModel):
    id: int
    title: str


REPOSITORIES = [ArtistRepository, AlbumRepository]


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "4", None])
def test_read_connections_is_a_number(value: Any):
    with pytest.raises(DeclarationError, match=r"^read_connections= expects 1 or more; got "):
        Database(URL, read_connections=value)


@pytest.mark.parametrize("value", [-1, True, 1.5, "4"])
def test_a_budget_is_a_number(value: Any):
    with pytest.raises(
        DeclarationError, match=r"^max_statements= expects a number of 0 or more, or None; got "
    ):
        Database(URL, max_statements=value)
    with pytest.raises(
        InvalidArgument, match=r"^max_statements= expects a number of 0 or more, or None; got "
    ):
        Database(URL).scope(max_statements=value)


@pytest.mark.parametrize("value", ["peers", 1, type(ONE)])
def test_a_mode_is_a_fetch_mode(value: Any):
    with pytest.raises(
        DeclarationError, match=r"^mode= expects PEERS, ONE, RAISE, WARN or a FetchMode of your own; got "
    ):
        Database(URL, mode=value)
    with pytest.raises(InvalidArgument, match=r"^mode= expects PEERS"):
        Database(URL).scope(mode=value)


def test_settings_of_an_engine_go_with_a_url():
    engine = create_async_engine(URL)
    with pytest.raises(DeclarationError, match=r"^pool_size: settings of an engine go with a URL"):
        Database(engine, pool_size=5)


def test_a_joined_session_decides_what_is_seen():
    engine = create_async_engine(URL)
    with pytest.raises(InvalidArgument, match=r"^snapshot=True has no meaning with session="):
        Database(engine).scope(session=AsyncSession(engine), snapshot=True)


def test_a_view_without_repositories_fits_nothing():
    with pytest.raises(
        DeclarationError, match=r"^AlbumView was given as a view, but there are no repositories\."
    ):
        Database(URL, views=[AlbumView])


def test_the_nearest_repository_is_named():
    class Wrong(BaseModel):
        id: int
        titel: str

    with pytest.raises(DeclarationError) as caught:
        Database(URL, repositories=REPOSITORIES, views=[Wrong])
    assert str(caught.value) == (
        "Wrong.titel: Album has no attribute 'titel'. Did you mean 'title'? (A field that is not read from the "
        "database is marked with unmapped().) (Wrong fits no repository; AlbumRepository is the nearest.)"
    )


def test_an_explanation_needs_to_know_whose_view_it_is():
    db = Database(URL, repositories=REPOSITORIES)
    assert "rows of Album" in str(db.explain(AlbumView))
    assert "rows of Artist" in str(db.explain(IdView, ArtistRepository))
    with pytest.raises(
        InvalidArgument, match=r"IdView fits several repositories \(ArtistRepository, AlbumRepository\)"
    ):
        db.explain(IdView)
    with pytest.raises(InvalidArgument, match=r"^StrayRepository is not registered with this Database\.$"):
        db.explain(IdView, StrayRepository)


def test_a_database_prints_what_it_is():
    assert repr(Database(URL, repositories=REPOSITORIES)).endswith(", 2 repositories>")
