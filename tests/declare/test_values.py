"""Declared values as SQL: where they may stand, what is known of them, and what refuses to be one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from batchrepo import (
    Database,
    DeclarationError,
    InvalidArgument,
    Repository,
    Scope,
    batched,
    column,
    count,
    earliest,
    exists,
    expression,
    fetched,
    latest,
    maximum,
    predicate,
    top,
    total,
)
from batchrepo.declare.orders import OrderTerm
from batchrepo.declare.values import nullable_of
from batchrepo.testing import assert_statements
from batchrepo.testing.contract.models.inheritance import Car, Garage, Truck, Vehicle


class Base(DeclarativeBase):
    pass


class Album(Base):
    __tablename__ = "album"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    note: Mapped[str | None]
    artist_id: Mapped[int | None] = mapped_column(sa.ForeignKey("artist.id"))
    artist: Mapped[Artist | None] = relationship(back_populates="albums")
    tracks: Mapped[list[Track]] = relationship(back_populates="album")
    labels: Mapped[list[Label]] = relationship(secondary="album_label")


@batched
async def covers(keys: list[int]) -> dict[int, str]:
    return dict.fromkeys(keys, "")


class AlbumRepository(Repository[Album]):
    """Declared while half of its classes do not exist: the body must not look at them."""

    track_count = count(Album.tracks)
    default_order = (track_count.desc(), Album.id.desc())
    first_tracks = top(Album.tracks, 2)
    cover = fetched(covers, key=Album.id)


link = sa.Table(
    "album_label",
    Base.metadata,
    sa.Column("album_id", sa.ForeignKey("album.id"), primary_key=True),
    sa.Column("label_id", sa.ForeignKey("label.id"), primary_key=True),
    sa.Column("place", sa.Integer),
)


class Artist(Base):
    __tablename__ = "artist"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    albums: Mapped[list[Album]] = relationship(back_populates="artist", order_by="Album.id")


class Label(Base):
    __tablename__ = "label"

    id: Mapped[int] = mapped_column(primary_key=True)


class Track(Base):
    __tablename__ = "track"

    id: Mapped[int] = mapped_column(primary_key=True)
    album_id: Mapped[int] = mapped_column(sa.ForeignKey("album.id"))
    seconds: Mapped[int | None]
    name: Mapped[str] = mapped_column()
    album: Mapped[Album] = relationship(back_populates="tracks")
    loud = column_property(sa.func.upper(name.column))


class DetailedAlbums(AlbumRepository):
    default_order = column(Album.artist, Artist.name).desc().nulls_first()
    duration = total(Album.tracks, Track.seconds)
    has_tracks = exists(Album.tracks)
    longest = latest(Album.tracks, by=Track.seconds)
    shortest = earliest(Album.tracks, by=(Track.seconds, Track.id))
    prominent = count(Album.labels, where=link.c.place == 1)
    by_name = maximum(Album.tracks, Track.loud)
    shout = expression(sa.func.upper(Album.title))
    named = expression(sa.func.coalesce(Album.note, Album.title))


class ArtistRepository(Repository[Artist]):
    album_count = count(Artist.albums)
    long_albums = count(Artist.albums, where=DetailedAlbums.duration > 100)


class TrackRepository(Repository[Track]):
    pass


REPOSITORIES = (AlbumRepository, DetailedAlbums, ArtistRepository, TrackRepository)

ROWS = {
    Artist: [{"id": 1, "name": "B"}, {"id": 2, "name": "A"}],
    Album: [
        {"id": 1, "title": "x", "note": None, "artist_id": 1},
        {"id": 2, "title": "y", "note": "n", "artist_id": 2},
        {"id": 3, "title": "z", "note": None, "artist_id": None},
    ],
    Label: [{"id": 1}, {"id": 2}],
    Track: [
        {"id": 1, "album_id": 1, "seconds": 90, "name": "a"},
        {"id": 2, "album_id": 1, "seconds": None, "name": "b"},
        {"id": 3, "album_id": 2, "seconds": 200, "name": "c"},
        {"id": 4, "album_id": 2, "seconds": 20, "name": "d"},
    ],
}
LINKS = [(1, 1, 1), (1, 2, 1), (2, 1, 2)]


async def fill(db: Database) -> None:
    async with db.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        for cls, rows in ROWS.items():
            await connection.execute(sa.insert(cls), rows)
        await connection.execute(
            sa.insert(link), [{"album_id": a, "label_id": b, "place": p} for a, b, p in LINKS]
        )


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, repositories=REPOSITORIES) as opened:
        await fill(opened)
        yield opened


@pytest_asyncio.fixture
async def scope(db: Database) -> AsyncIterator[Scope]:
    async with db.scope() as opened:
        yield opened


def ids(rows) -> list[int]:
    return [row.id for row in rows]


async def test_a_class_body_may_sort_by_what_it_has_just_declared(scope, db):
    with assert_statements(1, db):
        assert ids(await AlbumRepository(scope).find()) == [2, 1, 3]


async def test_a_path_may_be_the_whole_order(scope, db):
    with assert_statements(1, db):
        assert ids(await DetailedAlbums(scope).find()) == [3, 1, 2]


CONDITIONS = {
    "a count": (DetailedAlbums.track_count == 2, [1, 2]),
    "none of the related rows": (DetailedAlbums.track_count == 0, [3]),
    "a sum": (DetailedAlbums.duration > 100, [2]),
    "on the right": (100 < DetailedAlbums.duration, [2]),  # noqa: SIM300  the point of the case
    "arithmetic with the value on the right": (1000 - DetailedAlbums.duration < 800, [2]),
    "arithmetic": (DetailedAlbums.duration / (DetailedAlbums.track_count + 1) > 50, [2]),
    "of two values": (DetailedAlbums.duration >= DetailedAlbums.longest, [1, 2]),
    "a list of values": (DetailedAlbums.track_count.in_([0, 5]), [3]),
    "existence itself": (DetailedAlbums.has_tracks, [1, 2]),
    "its negation": (~DetailedAlbums.has_tracks, [3]),
    "the last": (DetailedAlbums.longest == 90, [1]),
    "the first": (DetailedAlbums.shortest == 20, [2]),
    "nothing": (DetailedAlbums.longest.is_(None), [3]),
    "columns of the link": (DetailedAlbums.prominent == 2, [1]),
    "a mapped expression": (DetailedAlbums.by_name == "D", [2]),
    "an expression": (DetailedAlbums.shout == "Y", [2]),
    "an inherited one": (DetailedAlbums.track_count < 1, [3]),
    "a path": (column(Album.artist, Artist.name).__clause_element__() == "B", [1]),
    "within another condition": (sa.or_(DetailedAlbums.duration > 100, Album.id == 3), [2, 3]),
    "within a function": (sa.func.coalesce(DetailedAlbums.longest, 7) == 7, [3]),
    "within related rows": (Album.artist.has(ArtistRepository.long_albums == 1), [2]),
}


@pytest.mark.parametrize("case", CONDITIONS)
async def test_a_condition(scope, case):
    condition, expected = CONDITIONS[case]
    albums = DetailedAlbums(scope)
    assert ids(await albums.find(condition, order_by=Album.id)) == expected
    assert await albums.count(condition) == len(expected)


async def test_a_value_of_a_value(scope):
    artists = await ArtistRepository(scope).find(order_by=(ArtistRepository.long_albums.desc(), Artist.id))
    assert ids(artists) == [2, 1]


async def test_a_value_is_a_column_of_a_statement_of_ones_own(scope):
    rows = await scope.fetch(
        sa.select(Album.id, DetailedAlbums.duration.label("length")).order_by(sa.text("length"), Album.id)
    )
    assert rows == [(3, 0), (1, 90), (2, 220)]


def test_the_text_is_the_same_each_time():
    condition = sa.select(Artist.id).where(ArtistRepository.long_albums > 1)
    assert str(condition) == str(sa.select(Artist.id).where(ArtistRepository.long_albums > 2))
    assert str(condition) == (
        "SELECT artist.id \nFROM artist \nWHERE (SELECT count(*) AS count_1 \n"
        "FROM album AS album_1 \nWHERE artist.id = album_1.artist_id AND "
        "(SELECT coalesce(CAST(sum(track_1.seconds) AS BIGINT), :param_1) AS coalesce_1 \n"
        "FROM track AS track_1 \nWHERE album_1.id = track_1.album_id) > :param_2) > :param_3"
    )


# --- where it may not stand ---------------------------------------------------------------------------

FOREIGN = {
    "itself": lambda: ArtistRepository.album_count > 1,
    "in a function": lambda: sa.func.coalesce(ArtistRepository.album_count, 0) > 1,
    "in a subquery": lambda: Album.id.in_(
        sa.select(Track.album_id).where(ArtistRepository.album_count > Track.seconds)
    ),
    "a subquery of ones own": lambda: (
        sa.select(sa.func.count(Label.id)).where(Label.id == Artist.id).correlate(Artist).scalar_subquery()
        > 1
    ),
    "a path": lambda: column(Track.album, Album.title).__clause_element__() == "x",
}


@pytest.mark.parametrize("case", FOREIGN)
async def test_a_value_of_another_entity_is_refused(scope, case):
    """SQLAlchemy would join the other table without a condition."""
    with pytest.raises(InvalidArgument, match="where only columns of Album can be used"):
        await AlbumRepository(scope).find(FOREIGN[case]())
    with pytest.raises(InvalidArgument, match="where only columns of Album can be used"):
        await AlbumRepository(scope).count(FOREIGN[case]())


async def test_an_order_by_a_value_of_another_entity_is_refused(scope):
    with pytest.raises(InvalidArgument, match="has columns of artist, where only columns of Album"):
        await AlbumRepository(scope).find(order_by=ArtistRepository.album_count.desc())


NO_VALUE = {
    "a list": (
        AlbumRepository.first_tracks,
        "AlbumRepository.first_tracks has no value in SQL: it is a list",
    ),
    "a function's": (
        AlbumRepository.cover,
        "AlbumRepository.cover has no value in SQL: it is made by a batched",
    ),
}


@pytest.mark.parametrize("case", NO_VALUE)
async def test_what_has_no_value_says_so(scope, case):
    value, message = NO_VALUE[case]
    albums = AlbumRepository(scope)
    for use in (
        lambda: value > 1,
        lambda: 1 < value,  # noqa: SIM300  the point of the case
        lambda: sa.select(value),
        lambda: value.label("x"),
        lambda: sa.func.coalesce(value, 0),
    ):
        with pytest.raises(InvalidArgument, match=message):
            use()
    with pytest.raises(InvalidArgument, match=message):
        await albums.find(value)
    with pytest.raises(InvalidArgument, match=message):
        await albums.find(order_by=value)
    with pytest.raises(InvalidArgument, match=message):
        await albums.find(order_by=value.desc())


async def test_a_value_alone_is_no_condition(scope):
    with pytest.raises(InvalidArgument, match=r"DetailedAlbums.duration is a column without a comparison"):
        await DetailedAlbums(scope).find(DetailedAlbums.duration)


PATHS = {
    "nothing": (column(), "Expected an attribute of a mapped class"),
    "a relation at the end": (column(Album.artist), "Album.artist is a relationship, not a column"),
    "a list": (column(Album.tracks, Track.name), "Album.tracks leads to a list"),
    "another entity's column": (column(Album.artist, Track.name), "Track.name is not an attribute of Artist"),
    "a computed attribute": (
        column(Album.artist, ArtistRepository.album_count),
        r"ArtistRepository.album_count is a computed attribute",
    ),
    "a column in the middle": (column(Album.title, Artist.name), "Album.title is not a relationship"),
}


@pytest.mark.parametrize("case", PATHS)
async def test_a_path_that_leads_to_no_column_is_refused(scope, case):
    path, message = PATHS[case]
    with pytest.raises(InvalidArgument, match=message):
        await AlbumRepository(scope).find(order_by=path.desc())


def test_a_wrong_declaration_says_so_where_it_is_used_first():
    wrong = count(Album.title)
    with pytest.raises(DeclarationError, match=r"Album.title is not a relationship"):
        _ = wrong > 1


def test_an_expression_that_is_none_says_so_where_it_is_used_first():
    wrong = expression("title")  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match="expression: 'title' is not a SQL expression"):
        _ = wrong == "x"


def test_a_declaration_is_itself_in_sets_and_dicts():
    """Comparing two gives a SQL condition, which is neither true nor false."""
    one, other = count(Album.tracks), count(Album.tracks)
    assert {one: 1, other: 2}[one] == 1
    assert len({one, other, one}) == 2
    assert isinstance(one == other, sa.ColumnElement)


# --- what is known of a value ---------------------------------------------------------------------------

NULLABLE = {
    "a column": (Album.title, False),
    "a nullable column": (Album.note, True),
    "a key": (Album.id, False),
    "a foreign key": (Album.artist_id, True),
    "a table's column": (Album.__table__.c.title, True),  # nothing says through which mapping it is read
    "a mapped expression": (Track.loud, True),
    "a label": (Album.title.label("x"), False),
    "a direction": (Album.title.desc(), True),
    "a cast": (sa.cast(Album.title, sa.Integer), False),
    "another cast": (sa.cast(Album.note, sa.Integer), True),
    "another type": (sa.type_coerce(Album.title, sa.Integer), False),
    "a value": (sa.literal(3), False),
    "no value": (sa.null(), True),
    "an empty value": (sa.literal(None), True),
    "true": (sa.true(), False),
    "a default": (sa.func.coalesce(Album.note, "x"), False),
    "a default that may be missing": (sa.func.coalesce(Album.note, Album.artist_id), True),
    "a function": (sa.func.lower(Album.title), True),
    "a sum of columns": (Album.id + 1, True),
    "count": (DetailedAlbums.track_count, False),
    "exists": (DetailedAlbums.has_tracks, False),
    "total": (DetailedAlbums.duration, False),
    "maximum": (DetailedAlbums.by_name, True),
    "latest": (DetailedAlbums.longest, True),
    "an expression": (DetailedAlbums.named, False),
    "another expression": (DetailedAlbums.shout, True),
    "a path": (column(Album.artist, Artist.name), True),
    "a path to itself": (column(Album.title), False),
    "a count for each of several": (
        sa.select(sa.func.count()).select_from(Track).group_by(Track.name).scalar_subquery(),
        True,
    ),
    "a count of a few": (sa.select(sa.func.count()).select_from(Track).limit(0).scalar_subquery(), True),
    "a count where another is": (
        sa.select(sa.func.coalesce(sa.select(sa.func.count()).select_from(Track).scalar_subquery(), 0))
        .where(Label.id == 1)
        .scalar_subquery(),
        True,
    ),
    "a constant of rows": (sa.select(sa.literal(1)).where(Track.id == 1).scalar_subquery(), True),
    "a column of a subclass": (Car.doors, True),  # read with its base class, other rows have none
    "a column of a subclass that is read with its base": (Truck.payload, True),
    "a column of a base class": (Vehicle.name, False),
    "an inherited column": (Car.name, True),
    "a class beside": (Garage.name, False),
}


@pytest.mark.parametrize("case", NULLABLE)
def test_whether_it_may_be_null(case):
    value, expected = NULLABLE[case]
    assert nullable_of(value) is expected


def test_an_order_by_a_negative_value_is_ascending():
    """Not everything that SQLAlchemy writes before an expression is a direction."""
    term = OrderTerm.parse(-Album.id)
    assert (str(term.expression), term.descending) == ("-album.id", False)


def test_an_order_term_knows_whether_it_has_nulls():
    assert OrderTerm.parse(Album.note.desc()).nullable
    assert not OrderTerm.parse(Album.title.desc().nulls_last()).nullable
    assert not OrderTerm.parse(DetailedAlbums.track_count.desc()).nullable
    assert OrderTerm.parse(column(Album.artist, Artist.name).asc().nulls_first()).nullable


async def test_a_value_may_decide_which_rows_a_scope_sees(database_url: str):
    """As a row criterion, also where other values and conditions reach those rows."""

    class Seen(Repository[Album]):
        has_tracks = exists(Album.tracks)
        criteria = (predicate(has_tracks), predicate(lambda context: DetailedAlbums.track_count > context))

    async with Database(database_url, repositories=[Seen, ArtistRepository, TrackRepository]) as db:
        await fill(db)
        async with db.scope(0) as scope:
            assert ids(await Seen(scope).find(order_by=Album.id)) == [1, 2]
            artists = ArtistRepository(scope)
            assert ids(await artists.find(ArtistRepository.album_count == 1, order_by=Artist.id)) == [1, 2]
            assert (
                await TrackRepository(scope).count(
                    column(Track.album, Album.title).__clause_element__() == "x"
                )
                == 2
            )
        async with db.scope(5) as scope:
            assert await Seen(scope).count() == 0
            assert await ArtistRepository(scope).count(ArtistRepository.album_count == 1) == 0
            assert await TrackRepository(scope).count(Track.album.has()) == 0
