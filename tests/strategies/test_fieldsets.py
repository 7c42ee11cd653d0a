"""Sparse fieldsets read what is asked for: these columns, these statements; and only that is in the answer."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
import pytest_asyncio
from pydantic import BaseModel, ConfigDict, Field, computed_field, create_model, model_validator

from batchrepo import (
    Database,
    Fieldset,
    InvalidFields,
    Page,
    Repository,
    batched,
    column,
    count,
    fetched,
    include,
    parse_fields,
    total,
    unmapped,
)
from batchrepo.strategies.reading import NARROWED_VIEWS
from batchrepo.testing import assert_statements
from examples.chinook.models import Album, Artist, Playlist, Track
from examples.chinook.repositories import (
    ArtistRepository,
    GenreRepository,
    PlaylistRepository,
    TrackRepository,
)


@batched
async def reviews(keys: list[int]) -> dict[int, dict[str, Any]]:
    asked.append(list(keys))
    return {key: {"stars": key % 5, "text": f"about {key}"} for key in keys}


asked: list[list[int]] = []
"""The keys of each call of `reviews`."""


class AlbumRepository(Repository[Album]):
    track_count = count(Album.tracks)
    duration = total(Album.tracks, Track.milliseconds)
    review = fetched(reviews, key=Album.id)
    default_order = (Album.title,)


REPOSITORIES = [AlbumRepository, ArtistRepository, TrackRepository, GenreRepository, PlaylistRepository]


class ArtistView(BaseModel):
    id: int
    name: str
    album_count: int


class GenreView(BaseModel):
    id: int
    name: str


class TrackView(BaseModel):
    id: int
    name: str
    composer: str | None
    bytes: int
    genre: GenreView


class Review(BaseModel):
    stars: int
    text: str


class AlbumView(BaseModel):
    id: int
    title: str
    artist: ArtistView
    artist_name: Annotated[str, column(Album.artist, Artist.name)]
    tracks: list[TrackView]
    long_tracks: Annotated[
        list[TrackView], include(Album.tracks, first=2, where=Track.milliseconds > 300_000)
    ]
    track_page: Annotated[Page[TrackView], include(Album.tracks, first=2, total="exact")]
    track_count: int
    duration: int = Field(serialization_alias="length")
    review: Review
    remark: Annotated[str, unmapped()] = "-"


@pytest_asyncio.fixture
async def db(chinook_url: str) -> AsyncIterator[Database]:
    async with Database(chinook_url, repositories=REPOSITORIES, views=[AlbumView]) as opened:
        yield opened


def by_postgresql(db: Database) -> bool:
    """Whether few rows are one statement, which the database makes JSON of."""
    return db.engine.dialect.name == "postgresql"


def columns_in(statements: list[str]) -> set[str]:
    """Every column that the statements name, wherever they name it."""
    found = re.findall(r"\b((?:album|artist|track|genre|playlist)\.\w+)", " ".join(statements))
    return set(found)


WORK = [
    ("id", 1, {"album.id", "album.title"}),
    ("title", 1, {"album.id", "album.title"}),
    ("remark", 1, {"album.id", "album.title"}),
    ("artist(id)", 1, {"album.id", "album.artist_id", "album.title"}),
    ("artist(name)", 2, {"album.id", "album.artist_id", "album.title", "artist.id", "artist.name"}),
    ("artist_name", 2, {"album.id", "album.artist_id", "album.title", "artist.id", "artist.name"}),
    ("artist(album_count)", 3, {"album.id", "album.artist_id", "album.title", "artist.id"}),
    ("tracks(name)", 2, {"album.id", "album.title", "track.id", "track.name", "track.album_id"}),
    (
        "tracks(genre(name))",
        3,
        {"album.id", "album.title", "track.id", "track.album_id", "track.genre_id", "genre.id", "genre.name"},
    ),
    (
        "long_tracks(bytes)",
        2,
        {"album.id", "album.title", "track.id", "track.album_id", "track.bytes", "track.milliseconds"},
    ),
    ("track_count", 2, {"album.id", "album.title", "track.album_id"}),
    ("length,track_count", 2, {"album.id", "album.title", "track.album_id", "track.milliseconds"}),
    ("review", 1, {"album.id", "album.title"}),
    ("review(stars),id", 1, {"album.id", "album.title"}),
]


@pytest.mark.parametrize(("fields", "statements", "columns"), WORK, ids=[fields for fields, *_ in WORK])
async def test_only_what_is_asked_for_is_read(db: Database, fields: str, statements: int, columns: set[str]):
    """Besides: the columns that rows are sorted by and found by. They are not in the answer."""
    if db.engine.dialect.name == "postgresql":
        statements = 1
    async with db.scope() as scope:
        albums = AlbumRepository(scope)
        whole = json.loads(await albums.find_json(AlbumView, limit=5))
        with assert_statements(statements, db) as seen:
            part = json.loads(await albums.find_json(AlbumView, limit=5, fields=fields))
    assert columns_in(seen.statements) == columns
    names = [name for name in whole[0] if name in parse_fields(fields)]
    assert [list(album) for album in part] == [names] * 5
    for album, of_whole in zip(part, whole, strict=True):
        for name in names:
            assert picked(of_whole[name], parse_fields(fields)[name]) == album[name]


def picked(value: Any, fieldset: Fieldset | None) -> Any:
    if fieldset is None:
        return value
    if isinstance(value, list):
        return [picked(item, fieldset) for item in value]
    return {name: picked(item, fieldset[name]) for name, item in value.items() if name in fieldset}


async def test_all_fields_at_once_cost_what_the_view_costs(db: Database):
    everything = ",".join(field.serialization_alias or name for name, field in AlbumView.model_fields.items())
    async with db.scope() as scope:
        albums = AlbumRepository(scope)
        with assert_statements(8, db):
            whole = await albums.find_json(AlbumView, limit=5)
        with assert_statements(8, db):
            assert await albums.find_json(AlbumView, limit=5, fields=everything) == whole


async def test_a_service_is_called_only_where_its_values_are_asked_for(db: Database):
    async with db.scope() as scope:
        albums = AlbumRepository(scope)
        asked.clear()
        await albums.find_json(AlbumView, limit=3, fields="id,title")
        assert asked == []
        found = json.loads(await albums.find_json(AlbumView, limit=3, fields="id,review(stars)"))
        assert asked == [[album["id"] for album in found]]
        assert [album["review"] for album in found] == [{"stars": album["id"] % 5} for album in found]


async def test_names_are_those_of_the_answer(db: Database):
    async with db.scope() as scope:
        albums = AlbumRepository(scope)
        with_alias = json.loads(await albums.find_json(AlbumView, limit=1, fields="length"))
        without = json.loads(await albums.find_json(AlbumView, limit=1, fields="duration", by_alias=False))
        assert with_alias[0]["length"] == without[0]["duration"]
        with pytest.raises(InvalidFields, match="AlbumView has no field 'duration'"):
            await albums.find_json(AlbumView, limit=1, fields="duration")
        with pytest.raises(InvalidFields, match="AlbumView has no field 'length'"):
            await albums.find_json(AlbumView, limit=1, fields="length", by_alias=False)


async def test_an_unknown_name_is_refused_before_anything_is_read(db: Database):
    async with db.scope() as scope:
        albums = AlbumRepository(scope)
        with (
            assert_statements(0, db),
            pytest.raises(InvalidFields, match=r"'titel'\. Did you mean 'title'\?"),
        ):
            await albums.find_json(AlbumView, fields="id,titel")


async def test_a_fieldset_may_be_given_as_a_value(db: Database):
    async with db.scope() as scope:
        albums = AlbumRepository(scope)
        fieldset = Fieldset({"id": None, "artist": Fieldset({"name": None})})
        assert await albums.find_json(AlbumView, limit=3, fields=fieldset) == await albums.find_json(
            AlbumView, limit=3, fields="artist.name,id"
        )


async def test_conditions_orders_and_strategies_hold_as_ever(db: Database):
    async with db.scope() as scope:
        albums = AlbumRepository(scope)
        options: dict[str, Any] = {"order_by": Album.id.desc(), "limit": 4, "fields": "id,tracks(genre.name)"}
        found = json.loads(await albums.find_json(AlbumView, Album.id < 100, **options))
        assert [album["id"] for album in found] == [99, 98, 97, 96]
        narrow = create_model("Narrow", id=int, tracks=list[TrackView])
        options["strategy"] = "eager"  # it reads whole entities, and delivers what is asked for
        assert json.loads(await albums.find_json(narrow, Album.id < 100, **options)) == found


async def test_one_row_and_many_by_key(db: Database):
    async with db.scope() as scope:
        albums = AlbumRepository(scope)
        with assert_statements(1 if by_postgresql(db) else 2, db) as seen:
            one = await albums.get_json(1, AlbumView, fields="title,artist(name)")
        assert columns_in(seen.statements) == {
            "album.id", "album.title", "album.artist_id", "artist.id", "artist.name",
        }  # fmt: skip
        assert json.loads(one) == {
            "title": "For Those About To Rock We Salute You",
            "artist": {"name": "AC/DC"},
        }
        many = json.loads(await albums.get_many_json([3, 1], AlbumView, fields="id,title"))
        assert [list(album) for album in many] == [["id", "title"]] * 2
        assert [album["id"] for album in many] == [3, 1]


async def test_pages(db: Database):
    async with db.scope() as scope:
        albums = AlbumRepository(scope)
        with assert_statements(1, db) as seen:
            page = await albums.page_json(AlbumView, order_by=Album.id, first=2, fields="title")
        assert columns_in(seen.statements) == {"album.id", "album.title"}
        assert [list(item) for item in json.loads(page.items)] == [["title"]] * 2
        after = await albums.page_json(
            AlbumView, order_by=Album.id, first=2, after=page.end_cursor, fields="id"
        )
        assert json.loads(after.items) == [{"id": 3}, {"id": 4}]


async def test_pages_of_a_relation(db: Database):
    async with db.scope() as scope:
        albums = AlbumRepository(scope)
        whole = json.loads(await albums.find_json(AlbumView, limit=3, fields="track_page"))
        with assert_statements(1 if by_postgresql(db) else 3, db) as seen:  # albums, tracks, and the totals
            part = json.loads(await albums.find_json(AlbumView, limit=3, fields="track_page(name)"))
    assert not {"track.composer", "track.bytes", "track.genre_id"} & columns_in(seen.statements)
    for album, of_whole in zip(part, whole, strict=True):
        items = [{"name": item["name"]} for item in of_whole["track_page"]["items"]]
        assert album["track_page"] == {**of_whole["track_page"], "items": items}


# --- related rows of which nothing is read ---------------------------------------------------------------


class Marked(BaseModel):
    """Of these a client may ask for what no column has."""

    name: str
    mark: Annotated[str, unmapped()] = "x"


class PlaylistView(BaseModel):
    id: int
    tracks: list[Marked]
    few: Annotated[list[Marked], include(Playlist.tracks, first=2)]


class PagedPlaylist(BaseModel):
    id: int
    page: Annotated[Page[Marked], include(Playlist.tracks, first=1)]


class MarkedAlbum(BaseModel):
    title: str
    mark: Annotated[str, unmapped()] = "x"


class AlbumOfTrack(BaseModel):
    id: int
    album: MarkedAlbum


@pytest.mark.parametrize(
    ("view", "fields", "strategy"),
    [
        (PlaylistView, "tracks({}),few({})", "batched"),
        (PlaylistView, "tracks({}),few({})", "eager"),
        (PagedPlaylist, "page({})", "batched"),
    ],
)
async def test_rows_of_which_no_column_is_asked_for_are_counted_right(
    db: Database, view: type[BaseModel], fields: str, strategy: str
):
    """To-many through a link table: all of them, the first few, a page."""
    async with db.scope() as scope:
        playlists = PlaylistRepository(scope)
        marks, names = [
            await playlists.find_json(view, fields=fields.replace("{}", name), strategy=strategy)
            for name in ("mark", "name")
        ]
    text = r'"name":"(?:\\.|[^"\\])*"'
    assert len(re.findall(text, names.decode())) > 10
    assert marks.decode() == re.sub(text, '"mark":"x"', names.decode())


@pytest.mark.parametrize("strategy", ["batched", "eager"])
async def test_one_row_of_which_no_column_is_asked_for(db: Database, strategy: str):
    async with db.scope() as scope:
        tracks = TrackRepository(scope)
        with assert_statements(1, db):  # the foreign key says that it is there
            found = await tracks.find_json(AlbumOfTrack, limit=2, fields="album.mark", strategy=strategy)
    assert found == b'[{"album":{"mark":"x"}},{"album":{"mark":"x"}}]'


# --- how they are delivered ------------------------------------------------------------------------------


def delivered(db: Database, view: type[BaseModel], fields: str) -> Any:
    info = db.reading.catalog.by_class[AlbumRepository]
    return db.reading.views(view, info.entity, info, fields=fields)[0]


class Mixed(BaseModel):
    id: int
    title: str
    shout: str = Field(default="", exclude=True, validation_alias="title")
    short: Annotated[str, column(Album.title), Field(max_length=3)]

    @computed_field
    @property
    def length(self) -> int:
        return len(self.title)


async def test_plain_fields_of_a_view_that_is_not_plain_are_written_without_pydantic(db: Database):
    """And what is not asked for is not validated: no title has at most three characters."""
    info = db.reading.catalog.by_class[AlbumRepository]
    assert not db.reading.views(Mixed, info.entity, info)[0].plain
    assert delivered(db, Mixed, "id,title").plain
    assert not delivered(db, Mixed, "id,short").plain
    async with db.scope() as scope:
        found = await AlbumRepository(scope).find_json(Mixed, limit=1, fields="id,title", order_by=Album.id)
        assert found == b'[{"id":1,"title":"For Those About To Rock We Salute You"}]'
        with pytest.raises(ValueError, match="String should have at most 3 characters"):
            await AlbumRepository(scope).find_json(Mixed, limit=1, fields="id,short")


async def test_excluded_fields_cannot_be_had(db: Database):
    async with db.scope() as scope:
        with pytest.raises(InvalidFields, match="Mixed has no field 'shout'"):
            await AlbumRepository(scope).find_json(Mixed, fields="shout")


async def test_a_computed_field_of_the_view_reads_the_view(db: Database):
    """Its other fields must be valid too, as in the whole answer."""

    class Sized(BaseModel):
        id: int
        title: str
        track_count: int

        @computed_field
        @property
        def length(self) -> int:
            return len(self.title)

    async with db.scope() as scope:
        with assert_statements(2, db):
            found = await AlbumRepository(scope).find_json(
                Sized, limit=1, fields="length,id", order_by=Album.id
            )
    assert found == b'[{"id":1,"length":37}]'


async def test_a_part_with_a_model_validator_is_read_whole_and_picked(db: Database):
    class Checked(BaseModel):
        model_config = ConfigDict(frozen=True)
        id: int
        name: str

        @model_validator(mode="after")
        def check(self) -> Any:
            assert self.id
            assert self.name
            return self

    class View(BaseModel):
        id: int
        title: str
        artist: Checked

    async with db.scope() as scope:
        with assert_statements(2, db) as seen:
            found = await AlbumRepository(scope).find_json(
                View, limit=1, fields="artist.name", order_by=Album.id
            )
    assert found == b'[{"artist":{"name":"AC/DC"}}]'
    assert columns_in(seen.statements) == {"album.artist_id", "album.id", "artist.id", "artist.name"}


# --- explained -------------------------------------------------------------------------------------------


def test_explain_shows_what_is_read_for_the_fields():
    db = Database("sqlite+aiosqlite://", repositories=REPOSITORIES)
    explanation = db.explain(AlbumView, AlbumRepository, fields="tracks(name), review.stars, id")
    assert explanation.narrowed is not None
    assert explanation.narrowed.fieldset == parse_fields("id,review(stars),tracks(name)")
    assert len(explanation.statements) == 2
    assert str(explanation).splitlines()[:8] == [
        "<ReadPlan Album{id, review=fetched(id)} > (tracks{name})>",
        "",
        "fields: id,review(stars),tracks(name)",
        "review is read whole: it is one value, whose parts are not read from the database",
        "",
        "Album: id, review=fetched(id)",
        "  tracks (list through Album.tracks)",
        "    Track: name",
    ]
    with pytest.raises(InvalidFields):
        db.explain(AlbumView, AlbumRepository, fields="nothing")
    assert "fields:" not in str(db.explain(AlbumView, AlbumRepository))


# --- what is remembered ----------------------------------------------------------------------------------


def test_the_same_fields_are_prepared_once_however_they_are_written():
    db = Database("sqlite+aiosqlite://", repositories=REPOSITORIES)
    assert delivered(db, AlbumView, "id,artist(name)") is delivered(db, AlbumView, "artist.name, id,id")
    assert delivered(db, AlbumView, "id,artist(name)") is not delivered(db, AlbumView, "id,artist(id)")


async def test_clients_cannot_fill_the_memory(db: Database):
    """Many more fieldsets than are remembered; what is remembered stays bounded, and all answers right."""
    view: Any = create_model(
        "Wide", **{f"title_{i}": (Annotated[str, column(Album.title)], ...) for i in range(12)}
    )
    async with db.scope() as scope:
        albums = AlbumRepository(scope)
        whole = await albums.find_json(view, limit=1)
        for number in range(1, NARROWED_VIEWS + 50):
            names = [f"title_{i}" for i in range(12) if number >> i & 1]
            found = json.loads(await albums.find_json(view, limit=1, fields=",".join(names)))
            assert list(found[0]) == names
        assert len(db.reading._narrowed) == NARROWED_VIEWS
        assert len(db.reading._statements) < 10
        assert await albums.find_json(view, limit=1) == whole
