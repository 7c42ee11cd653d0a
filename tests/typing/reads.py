"""What users write, and the types that they must see. Checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, assert_type

from pydantic import BaseModel
from sqlalchemy import BinaryExpression, ColumnElement, ForeignKey, Label, UnaryExpression, func, select
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import (
    RAISE,
    Computed,
    Database,
    Fieldset,
    Repository,
    Scope,
    any_of,
    average,
    batched,
    between,
    column,
    count,
    eq,
    exists,
    expression,
    ge,
    icontains,
    include,
    latest,
    match,
    maximum,
    named_filter,
    overlaps,
    parse_fields,
    period,
    predicate,
    startswith,
    top,
    total,
)


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Artist(Base):
    __tablename__ = "artist"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    albums: Mapped[list[Album]] = relationship(back_populates="artist")


class Album(Base):
    __tablename__ = "album"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    price: Mapped[Decimal]
    is_live: Mapped[bool]
    artist_id: Mapped[int] = mapped_column(ForeignKey("artist.id"))
    artist: Mapped[Artist] = relationship(back_populates="albums")
    label: Mapped[Artist | None] = relationship(viewonly=True)
    tracks: Mapped[list[Track]] = relationship()


class Track(Base):
    __tablename__ = "track"
    id: Mapped[int] = mapped_column(primary_key=True)
    album_id: Mapped[int] = mapped_column(ForeignKey("album.id"))
    milliseconds: Mapped[int]
    price: Mapped[Decimal]


class ArtistRepository(Repository[Artist]):
    album_count = count(Artist.albums)


class AlbumRepository(Repository[Album]):
    duration = total(Album.tracks, Track.milliseconds)
    worth = total(Album.tracks, Track.price)
    mean = average(Album.tracks, Track.milliseconds)
    highest = maximum(Album.tracks, Track.price)
    has_tracks = exists(Album.tracks, where=Track.milliseconds > 1000)
    first_tracks = top(Album.tracks, 3, order_by=Track.id)
    longest = latest(Album.tracks, by=Track.milliseconds)
    preview = expression(func.substr(Album.title, 1, 3))
    default_order = (Album.title, Album.id.desc())
    criteria = (match(Album.artist_id, lambda ctx: ctx.artist), predicate(Album.price > 0))
    loading = {Album.artist: "join", Album.tracks: "select_in"}  # noqa: RUF012


class TrackView(BaseModel):
    id: int


class AlbumView(BaseModel):
    id: int
    title: str
    artist_name: Annotated[str, column(Album.artist, Artist.name)]
    long_tracks: Annotated[
        list[TrackView], include(Album.tracks, first=5, where=Track.milliseconds > 300_000)
    ]


@batched
async def reviews(keys: list[int]) -> dict[int, list[str]]:
    return {key: [] for key in keys}


db = Database("sqlite+aiosqlite://", repositories=[ArtistRepository, AlbumRepository], views=[AlbumView])


async def declarations() -> None:
    assert_type(ArtistRepository.album_count, Computed[int])
    assert_type(AlbumRepository.duration, Computed[int])
    assert_type(AlbumRepository.worth, Computed[Decimal])
    assert_type(AlbumRepository.mean, Computed[float | None])
    assert_type(AlbumRepository.highest, Computed[Decimal | None])
    assert_type(AlbumRepository.has_tracks, Computed[bool])
    assert_type(AlbumRepository.first_tracks, Computed[list[Track]])
    assert_type(AlbumRepository.longest, Computed[Track | None])


async def values_in_sql(albums: AlbumRepository) -> None:
    assert_type(AlbumRepository.duration > 3_600_000, ColumnElement[bool])
    assert_type(AlbumRepository.duration == 0, ColumnElement[bool])
    assert_type(AlbumRepository.highest.is_not(None), BinaryExpression[bool])
    assert_type(AlbumRepository.duration.between(1, 2), BinaryExpression[bool])
    assert_type(~(AlbumRepository.duration > 1), ColumnElement[bool])
    assert_type(AlbumRepository.duration.desc(), UnaryExpression[int])
    assert_type(AlbumRepository.duration.desc().nulls_last(), UnaryExpression[int])
    assert_type(AlbumRepository.duration.label("length"), Label[int])
    assert_type(func.coalesce(AlbumRepository.mean, 0.0).desc(), UnaryExpression[float])
    await albums.find(AlbumRepository.duration > 1, AlbumRepository.longest > 1)
    await albums.find(AlbumRepository.has_tracks, ~AlbumRepository.has_tracks)
    await albums.find(AlbumView, AlbumRepository.has_tracks)
    await albums.page(AlbumView, AlbumRepository.has_tracks, Album.is_live)
    await albums.count(AlbumRepository.has_tracks)
    await albums.find(AlbumView, order_by=(AlbumRepository.duration.desc(), Album.id))
    await albums.find(order_by=column(Album.artist, Artist.name).desc().nulls_last())
    await albums.find(Album.artist.has(ArtistRepository.album_count > 1))
    select(Album.id, AlbumRepository.duration).order_by(AlbumRepository.duration)


class ShelfRepository(Repository[Album]):
    duration = total(Album.tracks, Track.milliseconds)
    sortable = (
        Album.title,
        duration,
        Album.price.nulls_last(),
        column(Album.artist, Artist.name).nulls_first(),
    )
    filterable = {  # noqa: RUF012
        Album.title: (eq, icontains),
        Album.artist_id: any_of,
        column(Album.artist, Artist.name): [startswith],
        duration: (ge, between),
        period(Album.id, Album.artist_id, name="span"): overlaps,
    }

    @named_filter
    def for_kids(self, max_minutes: int) -> ColumnElement[bool]:
        return AlbumRepository.duration <= max_minutes * 60_000


async def filters_and_sorts(shelf: ShelfRepository) -> None:
    assert_type(
        shelf.filters({"title__icontains": "rock", "or": [{"id": 1}, {"id": 2}]}), ColumnElement[bool]
    )
    assert_type(shelf.for_kids(30), ColumnElement[bool])
    await shelf.find(shelf.filters({}), shelf.for_kids(30), order_by=shelf.sorting("-title,artist.name"))
    await shelf.find(AlbumView, shelf.filters({}), order_by=[*shelf.sorting(["title"]), Album.id])
    await shelf.count(shelf.filters({"title": "x"}))
    await shelf.page(AlbumView, shelf.filters({}), order_by=shelf.sorting(""))


async def by_key(albums: AlbumRepository) -> None:
    assert_type(await albums.get(1), Album)
    assert_type(await albums.get(1, AlbumView), AlbumView)
    assert_type(await albums.get_or_none(1), Album | None)
    assert_type(await albums.get_or_none(1, AlbumView), AlbumView | None)
    assert_type(await albums.get_many([1, 2]), list[Album])
    assert_type(await albums.get_many([1, 2], AlbumView), list[AlbumView])
    assert_type(await albums.get_many_or_none([1, 2]), list[Album | None])
    assert_type(await albums.get_many_or_none([1, 2], AlbumView), list[AlbumView | None])
    assert_type(await albums.find_by(Album.title, "x"), list[Album])
    assert_type(await albums.find_by((Album.title, Album.artist_id), ("x", 1), AlbumView), list[AlbumView])
    assert_type(await albums.find_by_many(Album.title, ["x", "y"]), list[list[Album]])


async def by_condition(albums: AlbumRepository) -> None:
    assert_type(await albums.find(Album.title.icontains("rock"), order_by=Album.title, limit=10), list[Album])
    assert_type(await albums.find(include=[Album.artist, Album.tracks]), list[Album])
    assert_type(await albums.find(AlbumView, Album.id > 3, Album.title != "x"), list[AlbumView])
    assert_type(await albums.find_json(AlbumView, limit=3), bytes)
    assert_type(await albums.find_json(AlbumView, fields="id,title"), bytes)
    assert_type(await albums.find_json(AlbumView, fields=parse_fields("id,long_tracks(id)")), bytes)
    assert_type(await albums.find_json(AlbumView, fields=Fieldset({"id": None})), bytes)
    assert_type(await albums.first(Album.id > 3), Album | None)
    assert_type(await albums.first(AlbumView, order_by=Album.id.desc()), AlbumView | None)
    assert_type(await albums.count(Album.id > 3), int)
    assert_type(await albums.exists(), bool)
    assert_type(albums.stream(chunk_size=100), AsyncIterator[Album])
    assert_type(albums.stream(AlbumView, Album.id > 3), AsyncIterator[AlbumView])


def fieldsets() -> None:
    fieldset = parse_fields("id,artist(name)")
    assert_type(fieldset, Fieldset)
    assert_type(fieldset["artist"], Fieldset | None)
    assert_type(list(fieldset), list[str])


async def related(scope: Scope, album: Album, artist: Artist) -> None:
    assert_type(await scope.related(album, Album.artist), Artist)
    assert_type(await scope.related(album, Album.label), Artist | None)
    assert_type(await scope.related(album, Album.tracks), list[Track])
    assert_type(await scope.related(album, Album.tracks, mode=RAISE), list[Track])
    assert_type(await scope.related(album, Album.tracks, TrackView), list[TrackView])
    assert_type(await scope.related(album, AlbumRepository.duration), int)
    assert_type(await scope.related(album, AlbumRepository.first_tracks), list[Track])
    assert_type(await scope.related(album, AlbumRepository.first_tracks, TrackView), list[TrackView])
    assert_type(await scope.related(album, AlbumRepository.longest), Track | None)
    assert_type(await scope.related(artist, ArtistRepository.album_count), int)


async def own_statements(scope: Scope) -> None:
    assert_type(await scope.fetch(select(Album).where(Album.id > 3)), list[Album])
    assert_type(await scope.fetch(select(Album.title)), list[str])
    assert_type(await scope.fetch(select(Album, Album.title)), list[tuple[Album, str]])


async def batch_functions(scope: Scope) -> None:
    assert_type(await scope.load(reviews, 1), list[str])
    assert_type(await scope.load_many(reviews, [1, 2]), list[list[str]])


async def opening() -> None:
    async with db, db.scope(context={"artist": 1}) as scope:
        assert_type(scope, Scope)
        assert_type(str(scope.report()), str)
        assert_type(db.explain(AlbumView).plan.view, type[BaseModel] | None)
        assert_type(str(db.explain(AlbumView, fields="id")), str)
