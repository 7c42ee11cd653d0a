"""From views to plans: how fields find what they show, and what is refused at start-up, with what words."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Annotated, Any, Optional

import pytest
import pytest_asyncio
import sqlalchemy as sa
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    create_model,
    field_validator,
    model_validator,
)
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship, synonym
from sqlalchemy.types import TypeDecorator
from typing_extensions import TypeAliasType

from batchrepo import (
    Database,
    DeclarationError,
    Repository,
    average,
    batched,
    column,
    count,
    exists,
    expression,
    fetched,
    include,
    latest,
    match,
    maximum,
    predicate,
    top,
    total,
    unmapped,
)


class Base(DeclarativeBase):
    pass


class Kind(enum.Enum):
    LP = "lp"
    CD = "cd"


class Words(TypeDecorator[list[str]]):
    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: list[str] | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else " ".join(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> list[str] | None:
        return None if value is None else value.split()


class Country(Base):
    __tablename__ = "country"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Artist(Base):
    __tablename__ = "artist"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    country_id: Mapped[int | None] = mapped_column(sa.ForeignKey("country.id"))
    country: Mapped[Country | None] = relationship()
    albums: Mapped[list[Album]] = relationship(back_populates="artist")


class Album(Base):
    __tablename__ = "album"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column()
    note: Mapped[str | None]
    made: Mapped[dt.datetime]
    kind: Mapped[Kind]
    words: Mapped[list[str]] = mapped_column(Words)
    data: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    artist_id: Mapped[int] = mapped_column(sa.ForeignKey("artist.id"))
    title_length: Mapped[int] = column_property(sa.func.length(title))
    heading = synonym("title")

    artist: Mapped[Artist] = relationship(back_populates="albums")
    tracks: Mapped[list[Track]] = relationship(back_populates="album")
    lazy_tracks = relationship("Track", lazy="write_only", viewonly=True)

    @hybrid_property
    def shout(self) -> str:
        return self.title + "!"

    @hybrid_property
    def only_in_python(self) -> str:
        return f"{self.title}!"


class Track(Base):
    __tablename__ = "track"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    seconds: Mapped[int]
    album_id: Mapped[int] = mapped_column(sa.ForeignKey("album.id"))
    album: Mapped[Album] = relationship(back_populates="tracks")


@batched
async def covers(keys: list[int]) -> dict[int, str]:
    return {key: f"cover {key}" for key in keys}


class CountryRepository(Repository[Country]):
    pass


class ArtistRepository(Repository[Artist]):
    pass


class AlbumRepository(Repository[Album]):
    track_count = count(Album.tracks)
    long = exists(Album.tracks, where=Track.seconds > 100)
    duration = total(Album.tracks, Track.seconds)
    longest_seconds = maximum(Album.tracks, Track.seconds)
    mean = average(Album.tracks, Track.seconds * 2)
    first_tracks = top(Album.tracks, 2, order_by=Track.id)
    longest = latest(Album.tracks, by=Track.seconds)
    initial = expression(sa.func.substr(Album.title, 1, 1, type_=sa.String()))
    cover = fetched(covers, key=Album.id)


class TrackRepository(Repository[Track]):
    pass


REPOSITORIES = [CountryRepository, ArtistRepository, AlbumRepository, TrackRepository]


class TrackView(BaseModel):
    name: str


class Named(BaseModel):
    name: str


def database(*views: Any, repositories: list[Any] | None = None) -> Database:
    return Database("sqlite+aiosqlite://", repositories=repositories or REPOSITORIES, views=views)


def view(**fields: Any) -> type[BaseModel]:
    """A view called V of albums: a field is a type, or a type and a default."""
    return create_model("V", **{n: f if isinstance(f, tuple) else (f, ...) for n, f in fields.items()})


def configured(settings: dict[str, Any], **fields: Any) -> type[BaseModel]:
    return create_model("V", __config__=ConfigDict(**settings), **{n: (f, ...) for n, f in fields.items()})


# --- what is right -------------------------------------------------------------------------------------

TrackViews = TypeAliasType("TrackViews", list[TrackView])
Note = TypeAliasType("Note", Optional[str])  # noqa: UP045


Json = TypeAliasType("Json", "dict[str, Json] | list[Json] | str | int | None")


class Data(BaseModel):
    a: int


class FrozenTrack(BaseModel):
    model_config = ConfigDict(frozen=True)
    name: str


class Upper(BaseModel):
    title: int

    @field_validator("title", mode="before")
    @classmethod
    def length(cls, value: str) -> int:
        return len(value)


class Rooted(BaseModel):
    title: list[str]

    @model_validator(mode="before")
    @classmethod
    def listed(cls, values: Any) -> Any:
        return {"title": [values["title"]]}


RIGHT: dict[str, tuple[type[BaseModel], dict[str, Any]]] = {
    "names": (view(id=int, title=str, kind=Kind), {"id": 1, "title": "T", "kind": Kind.LP}),
    "a marker": (view(name=Annotated[str, column(Album.title)]), {"name": "T"}),
    "a marker within Optional": (view(name=Optional[Annotated[str, column(Album.title)]]), {"name": "T"}),  # noqa: UP045
    "a marker within a union": (view(name=Annotated[str, column(Album.note)] | None), {"name": None}),
    "a marker within a list": (
        view(few=list[Annotated[TrackView, include(Album.tracks, first=1, order_by=Track.id)]]),
        {"few": [{"name": "a"}]},
    ),
    "a marker within an alias": (
        view(name=TypeAliasType("Name", Annotated[str, column(Album.title)])),
        {"name": "T"},
    ),
    "a marker within a list within Optional": (
        view(few=list[Annotated[TrackView, include(Album.tracks, where=Track.name == "b")]] | None),
        {"few": [{"name": "b"}]},
    ),
    "a path": (view(artist_name=Annotated[str, column(Album.artist, Artist.name)]), {"artist_name": "A"}),
    "a path over an optional relation": (
        view(country=Annotated[str | None, column(Album.artist, Artist.country, Country.name)]),
        {"country": None},
    ),
    "a hybrid and a synonym": (view(shout=str, heading=str), {"shout": "T!", "heading": "T"}),
    "a hybrid by its marker": (view(loud=Annotated[str, column(Album.shout)]), {"loud": "T!"}),
    "aggregates": (
        view(track_count=int, long=bool, duration=int, longest_seconds=int | None, mean=float | None),
        {"track_count": 2, "long": True, "duration": 210, "longest_seconds": 200, "mean": 210.0},
    ),
    "an aggregate as another number": (view(track_count=float, duration=Decimal), {"track_count": 2.0, "duration": 210}),
    "an expression": (view(initial=str, cover=str), {"initial": "T", "cover": "cover 1"}),
    "anything for a nullable column": (view(note=Any), {"note": None}),
    "object for a nullable column": (view(note=object), {"note": None}),
    "an alias with None for a nullable column": (view(note=Note), {"note": None}),
    "an alias of a list of views": (view(tracks=TrackViews), {"tracks": [{"name": "a"}, {"name": "b"}]}),
    "numbers to texts": (configured({"coerce_numbers_to_str": True}, id=str, track_count=str), {"id": "1", "track_count": "2"}),
    "a number to a text": (view(id=(str, Field(coerce_numbers_to_str=True))), {"id": "1"}),
    "a model on a JSON column": (view(data=Data), {"data": {"a": 1}}),
    "a model by a marker on a JSON column": (view(d=Annotated[Data, column(Album.data)]), {"d": {"a": 1}}),
    "a recursive alias on a JSON column": (view(data=Json), {"data": {"a": 1}}),
    "a list from a decorator": (view(words=list[str]), {"words": ["x", "y"]}),
    "alias": (view(t=(str, Field(alias="title"))), {"t": "T"}),
    "alias choices": (view(t=(str, Field(validation_alias=AliasChoices("nope", "title")))), {"t": "T"}),
    "an alias path of one step": (view(t=(str, Field(validation_alias=AliasPath("title")))), {"t": "T"}),
    "an alias path along a relation": (view(a=(str, Field(validation_alias=AliasPath("artist", "name")))), {"a": "A"}),
    "alias paths among choices": (
        view(a=(str, Field(validation_alias=AliasChoices("nope", AliasPath("tracks", 0), AliasPath("artist", "name"))))),
        {"a": "A"},
    ),
    "a before validator": (Upper, {"title": 1}),
    "a validator of the whole model": (Rooted, {"title": ["T"]}),
    "a before validator within the type": (view(title=Annotated[int, BeforeValidator(len)] | None), {"title": 1}),
    "a set of hashable views": (view(tracks=frozenset[FrozenTrack]), {"tracks": {FrozenTrack(name="a"), FrozenTrack(name="b")}}),
    "a tuple": (view(tracks=tuple[TrackView, ...]), {"tracks": ({"name": "a"}, {"name": "b"})}),
    "strict": (configured({"strict": True}, id=int, kind=Kind, tracks=list[TrackView]), {"id": 1, "kind": Kind.LP, "tracks": [{"name": "a"}, {"name": "b"}]}),
    "an enum as its value": (view(kind=str), {"kind": "lp"}),
    "a column property": (view(title_length=int), {"title_length": 1}),
    "unmapped": (view(id=int, more=(Annotated[int, unmapped()], 5)), {"id": 1, "more": 5}),
}  # fmt: skip


@pytest_asyncio.fixture
async def filled(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(sa.insert(Artist), [{"id": 1, "name": "A"}])
        row = {"id": 1, "title": "T", "made": dt.datetime(2020, 1, 1), "kind": Kind.LP, "words": ["x", "y"]}
        await connection.execute(sa.insert(Album), [{**row, "data": {"a": 1}, "artist_id": 1}])
        tracks = [("a", 10), ("b", 200)]
        await connection.execute(
            sa.insert(Track),
            [{"id": i, "name": n, "seconds": s, "album_id": 1} for i, (n, s) in enumerate(tracks)],
        )
    return engine


async def test_fields_find_what_they_show(filled: AsyncEngine):
    views = {name: shown for name, (shown, _) in RIGHT.items()}
    db = Database(filled, repositories=REPOSITORIES, views=views.values())
    for name, (shown, expected) in RIGHT.items():
        async with db.scope() as scope:
            for strategy in ("batched", "eager"):
                (found,) = await AlbumRepository(scope).find(shown, strategy=strategy)
                assert dict(found) == expected or found.model_dump() == expected, (name, strategy)


def test_a_plan_prints_what_it_reads():
    shown = view(
        id=int,
        name=Annotated[str, column(Album.title)],
        artist_name=(str, Field(validation_alias=AliasPath("artist", "name"))),
        track_count=int,
        mean=float | None,
        few=list[Annotated[TrackView, include(Album.tracks, first=2, where=Track.seconds > 1)]],
    )
    db = database(shown)
    plan = db.reading.plans.plan(shown, db.reading.catalog.by_class[AlbumRepository].entity)
    assert repr(plan) == (
        "<ReadPlan Album{id, name=title, artist_name=artist.name, track_count=count(tracks), "
        "mean=average(tracks.(track.seconds * :seconds_1))} > (few=tracks(2)?{name})>"
    )


# --- what is refused -----------------------------------------------------------------------------------


class Looping(BaseModel):
    tracks: list[LoopingTrack]


class LoopingTrack(BaseModel):
    album: Looping


class MutableTrack(BaseModel):
    name: str


UNKNOWN = r"(A field that is not read from the database is marked with unmapped().)"

REFUSED: dict[str, tuple[type[BaseModel] | Callable[[], type[BaseModel]], str]] = {
    "an unknown name": (view(titel=str), f"V.titel: Album has no attribute 'titel'. Did you mean 'title'? {UNKNOWN}"),
    "an unknown name below": (view(tracks=list[create_model("T", nam=(str, ...))]), f"T.nam: Track has no attribute 'nam'. Did you mean 'name'? {UNKNOWN}"),
    "a hybrid without SQL": (view(only_in_python=str), "V.only_in_python: Album.only_in_python has no SQL form: it works on instances only. Give it an expression, or compute it in the view."),
    "no None for a nullable column": (view(note=str), "V.note: 'note' may be NULL, but the field does not allow None. Write str | None."),
    "no None for a nullable column by a marker": (view(n=Annotated[str, column(Album.note)]), "V.n: 'note' may be NULL, but the field does not allow None. Write str | None."),
    "no None along an optional relation": (view(c=Annotated[str, column(Album.artist, Artist.country, Country.name)]), "V.c: Artist.country may be None (its key is nullable, or no foreign key promises a row of Country), but the field does not allow None. Write str | None."),
    "a list from a text": (view(title=list[str]), "V.title: 'title' holds str values, but the field is a list of str, which takes none of them."),
    "a dict from a text": (view(title=dict), "V.title: 'title' holds str values, but the field is dict, which takes none of them."),
    "a view from a text": (view(title=TrackView), "V.title: 'title' is a value of type str, but the field's type is a view."),
    "views from a text": (view(title=list[TrackView]), "V.title: 'title' is a value of type str, but the field's type is a view."),
    "a time from a datetime": (view(made=dt.time), "V.made: 'made' holds datetime values, but the field is time, which takes none of them."),
    "a number from a datetime": (view(made=int), "V.made: 'made' holds datetime values, but the field is int, which takes none of them."),
    "a text from a number": (view(id=str), "V.id: 'id' holds int values, but the field is str, which takes none of them."),
    "a text from a count": (view(track_count=str), "V.track_count: AlbumRepository.track_count holds int values, but the field is str, which takes none of them."),
    "a list from a count": (view(track_count=list[int]), "V.track_count: AlbumRepository.track_count holds int values, but the field is a list of int, which takes none of them."),
    "a view from a count": (view(track_count=TrackView), "V.track_count: AlbumRepository.track_count is a value of type int, but the field's type is a view."),
    "a date from a total": (view(duration=bytes), "V.duration: AlbumRepository.duration holds int values, but the field is bytes, which takes none of them."),
    "a list from an expression": (view(initial=list[str]), "V.initial: AlbumRepository.initial holds str values, but the field is a list of str, which takes none of them."),
    "strictly a float from an enum": (configured({"strict": True}, kind=str), "V.kind: 'kind' holds Kind values, but the field is str, which takes none of them in strict mode."),
    "another enum": (view(kind=enum.Enum("Other", {"LP": "lp"})), "V.kind: 'kind' holds Kind values, but the field is Other, which takes none of them."),
    "an enum of other values": (view(title=enum.Enum("Numbers", {"A": 1})), "V.title: 'title' holds str values, but the field is Numbers, which takes none of them."),
    "strictly a tuple": (configured({"strict": True}, tracks=tuple[TrackView, ...]), "V.tracks: a field of type tuple takes no list in strict mode. Write a list."),
    "strictly a tuple by its field": (view(tracks=(tuple[TrackView, ...], Field(strict=True))), "V.tracks: a field of type tuple takes no list in strict mode. Write a list."),
    "a set of mutable views": (view(tracks=set[MutableTrack]), "V.tracks: a set needs hashable views. Configure MutableTrack with frozen=True, or write a list."),
    "one for a list": (view(tracks=TrackView), "V.tracks: Album.tracks leads to a list, but the field is TrackView."),
    "a list for one": (view(artist=list[Named]), "V.artist: Album.artist leads to one, not a list, but the field is a list of Named."),
    "values for a relation": (view(tracks=list[int]), "V.tracks: Album.tracks leads to Track, so the field's type must be a view (a Pydantic model) in a list; got int."),
    "a bare list for a relation": (view(tracks=list), "V.tracks: Album.tracks leads to Track, so the field's type must be a view (a Pydantic model) in a list; got list."),
    "a union for a relation": (view(artist=Named | TrackView), None),
    "a maximum that cannot be None": (view(longest_seconds=int), "V.longest_seconds: AlbumRepository.longest_seconds is None where Album.tracks is empty, but the field does not allow None. Write int | None."),
    "a latest that cannot be None": (view(longest=TrackView), "V.longest: AlbumRepository.longest is None where Album.tracks is empty, but the field does not allow None. Write TrackView | None."),
    "a latest as a list": (view(longest=list[TrackView]), "V.longest: AlbumRepository.longest gives one Track, but the field is a list of TrackView."),
    "a top as one": (view(first_tracks=TrackView), "V.first_tracks: AlbumRepository.first_tracks gives a list of Track, but the field is TrackView."),
    "a write-only relation": (view(lazy_tracks=list[TrackView]), "V.lazy_tracks: Album.lazy_tracks is a write_only relationship, whose attribute holds no rows."),
    "a loop": (Looping, "Looping contains itself (Looping > LoopingTrack > Looping), so that its plan has no end. Write a view for each level, the last one without the relation."),
    "nothing": (view(), "V has no field that is read from Country. Add one."),
    "nothing but unmapped": (view(x=(Annotated[int, unmapped()], 5)), "V has no field that is read from Country. Add one."),
    "an unmapped field without default": (view(id=int, x=Annotated[int, unmapped()]), "V.x is unmapped() and has no default, so nothing would fill it."),
    "two markers": (view(x=Annotated[str, column(Album.title), unmapped()]), "V.x has 2 markers. Expected at most one."),
    "two markers at two places": (view(x=Annotated[Annotated[str, column(Album.title)] | None, column(Album.note)]), "V.x has 2 markers. Expected at most one."),
    "a marker as default": (view(title=(str, column(Album.title))), "V.title has a marker as its default. Markers go into the type: Annotated[..., column(...)]."),
    "the function as marker": (view(title=Annotated[str, unmapped]), "V.title has the function unmapped itself as a marker. Call it: unmapped(...)."),
    "column of a name": (view(x=Annotated[str, column("title")]), "V.x: Expected an attribute of a mapped class, such as Album.title; got 'title'."),
    "column of nothing": (view(x=Annotated[str, column()]), "V.x: column() needs a column, such as column(Album.artist, Artist.name)."),
    "column of another entity": (view(title=str, kind=Kind, x=Annotated[str, column(Artist.name)]), "V.x: Artist.name is not an attribute of Album."),
    "column through a list": (view(x=Annotated[str, column(Album.tracks, Track.name)]), "V.x: Album.tracks leads to a list; column() follows to-one relations only. Use a list of views, or a computed attribute."),
    "column through a column": (view(x=Annotated[str, column(Album.title, Track.name)]), "V.x: Album.title is not a relationship of Album. It has: artist, lazy_tracks, tracks."),
    "column that ends at a relation": (view(x=Annotated[str, column(Album.artist)]), "V.x: Album.artist is a relationship, not a column. Its key is Album.artist_id."),
    "column with a wrong step": (view(x=Annotated[str, column(Album.artist, Track.name)]), "V.x: Track.name is not an attribute of Artist."),
    "column of a computed attribute": (view(x=Annotated[int, column(AlbumRepository.track_count)]), "V.x: column() ends with a column; AlbumRepository.track_count is a computed attribute."),
    "include of a name": (view(x=Annotated[list[TrackView], include("tracks")]), "V.x: Expected an attribute of a mapped class, such as Album.title; got 'tracks'."),
    "include of a column": (view(x=Annotated[list[TrackView], include(Album.title)]), "V.x: Album.title is not a relationship of Album. It has: artist, lazy_tracks, tracks."),
    "include of another entity's": (view(title=str, kind=Kind, x=Annotated[list[TrackView], include(Artist.albums)]), "V.x: Artist.albums is not a relationship of Album. It has: artist, lazy_tracks, tracks."),
    "no first row": (view(x=Annotated[list[TrackView], include(Album.tracks, first=0)]), "V.x: first= expects a number of rows per parent, 1 or more; got 0."),
    "a text as first": (view(x=Annotated[list[TrackView], include(Album.tracks, first="2")]), "V.x: first= expects a number of rows per parent, 1 or more; got '2'."),
    "a truth as first": (view(x=Annotated[list[TrackView], include(Album.tracks, first=True)]), "V.x: first= expects a number of rows per parent, 1 or more; got True."),
    "where a text": (view(x=Annotated[list[TrackView], include(Album.tracks, where="x")]), "V.x: 'x' is not a SQL condition. Use a comparison with a mapped attribute, such as Album.title == 'x'."),
    "where a truth": (view(x=Annotated[list[TrackView], include(Album.tracks, where=True)]), "V.x: True is not a SQL condition: a comparison of Python values gave it. Compare with a mapped attribute, such as Album.title == 'x'."),
    "where of another entity": (view(x=Annotated[list[TrackView], include(Album.tracks, where=Artist.id == 1)]), "V.x: artist.id = :id_1 has columns of artist, where only columns of Track can be used. A condition on related rows is written with .has(...) or .any(...)."),
    "where of the parent": (view(x=Annotated[list[TrackView], include(Album.tracks, where=[Track.id > 1, Album.id == 1])]), "V.x: album.id = :id_1 has columns of album, where only columns of Track can be used. A condition on related rows is written with .has(...) or .any(...)."),
    "order by a text": (view(x=Annotated[list[TrackView], include(Album.tracks, order_by="id")]), "V.x: Cannot order by it: 'id' is not a SQL expression. Use a mapped attribute such as Album.title, or a function of one."),
    "order by another entity": (view(x=Annotated[list[TrackView], include(Album.tracks, order_by=Artist.id)]), "V.x: artist.id has columns of artist, where only columns of Track can be used. A value of related rows is written as a correlated sub-query, with .scalar_subquery()."),
    "first of one": (view(x=Annotated[Named, include(Album.artist, first=1)]), "V.x: Album.artist leads to one row, so first= and order_by= mean nothing."),
    "order of one": (view(x=Annotated[Named, include(Album.artist, order_by=Artist.id)]), "V.x: Album.artist leads to one row, so first= and order_by= mean nothing."),
    "where of one that cannot be None": (view(x=Annotated[Named, include(Album.artist, where=Artist.id == 1)]), "V.x: where= may leave nothing, but the field does not allow None. Write Named | None."),
    "an alias path into a column": (view(x=(int, Field(validation_alias=AliasPath("data", "a")))), f"V.x: Album has no attribute 'x'. It has: artist, artist_id, cover, data, duration, first_tracks, heading, id, initial, kind, lazy_tracks, long, .... {UNKNOWN}"),
    "an alias path through a list": (view(x=(str, Field(validation_alias=AliasPath("tracks", "name")))), None),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_mistakes_are_refused_at_start_up_and_named(case: str):
    shown, message = REFUSED[case]
    with pytest.raises(DeclarationError) as caught:
        database(shown)
    if message is None:
        assert str(caught.value).startswith("V.")
    else:
        assert str(caught.value).startswith(message + " (")


def test_a_name_that_is_defined_nowhere_is_named():
    with pytest.raises(
        DeclarationError, match=r"^V: the type 'Nowhere' of a field is not defined where the view is\."
    ):
        database(view(title="Nowhere"))


def test_a_model_that_pydantic_cannot_build_is_refused():
    class Odd(BaseModel):
        model_config = ConfigDict(defer_build=True)
        title: threading_lock

    with pytest.raises(DeclarationError, match=r"^Odd is no complete Pydantic model: Unable to generate"):
        database(Odd)


class threading_lock:
    pass


@pytest.mark.parametrize("wrong", [int, None, "AlbumView", TrackView(name="x"), Album, TrackRepository])
def test_what_is_no_model_is_no_view(wrong: Any):
    with pytest.raises(DeclarationError, match=r"^Expected a view, which is a Pydantic model; got "):
        database(wrong)


@pytest.mark.parametrize(
    ("name", "wrong"), [("views", TrackView), ("views", 5), ("repositories", AlbumRepository)]
)
def test_lists_are_lists(name: str, wrong: Any):
    with pytest.raises(DeclarationError, match=f"^{name}= expects a list, such as "):
        Database("sqlite+aiosqlite://", **{name: wrong})


def test_a_forbidden_relation_is_not_read():
    class ForbiddingRepository(Repository[Album]):
        loading = {Album.tracks: "forbid"}  # noqa: RUF012

    with pytest.raises(
        DeclarationError, match=r"^V\.tracks: Album\.tracks has the policy 'forbid' and may not be read\."
    ):
        database(view(tracks=list[TrackView]), repositories=[ForbiddingRepository])


def test_a_root_model_has_no_fields_to_read():
    class Titles(RootModel[str]):
        pass

    with pytest.raises(DeclarationError, match=r"^Titles is a RootModel, which has no fields to read\."):
        database(Titles)


# --- rows that criteria hide ---------------------------------------------------------------------------


class GuardedArtists(Repository[Artist]):
    criteria = (predicate(Artist.name != "hidden"),)


class TenantArtists(Repository[Artist]):
    criteria = (match(Artist.name, lambda context: context),)


class CallingArtists(Repository[Artist]):
    criteria = (predicate(lambda context: Artist.name != context),)


@pytest.mark.parametrize("guarded", [GuardedArtists, CallingArtists])
@pytest.mark.parametrize(
    ("field", "written"),
    [
        (Named, "Named"),
        (Annotated[Named, include(Album.artist)], "Named"),
        (Annotated[str, column(Album.artist, Artist.name)], "str"),
    ],
)
def test_a_row_that_a_predicate_may_hide_may_be_none(guarded: Any, field: Any, written: str):
    repositories = [AlbumRepository, TrackRepository, guarded]
    message = (
        f"V.artist: Album.artist is None where row criteria hide the Artist, but the field does not allow None. "
        f"Write {written} | None. "
    )
    with pytest.raises(DeclarationError) as caught:
        database(view(artist=field), repositories=repositories)
    assert str(caught.value).startswith(message)
    database(view(artist=field | None), repositories=repositories)


def test_a_row_that_a_predicate_may_hide_on_the_way_may_be_none():
    shown = view(
        tracks=list[
            create_model("T", a=(Annotated[str, column(Track.album, Album.artist, Artist.name)], ...))
        ]
    )
    with pytest.raises(
        DeclarationError, match=r"^T\.a: Album\.artist is None where row criteria hide the Artist"
    ):
        database(shown, repositories=[AlbumRepository, TrackRepository, GuardedArtists])


def test_lists_and_matched_rows_need_no_none():
    albums = create_model("OfArtist", albums=(list[create_model("OfAlbum", artist=(Named, ...))], ...))
    database(view(artist=Named), albums, repositories=[AlbumRepository, TenantArtists])
    database(
        create_model("OfArtist", albums=(list[view(title=str)], ...)),
        repositories=[AlbumRepository, GuardedArtists],
    )


def test_a_predicate_on_a_base_class_hides_rows_of_its_subclasses():
    class Own(DeclarativeBase):
        pass

    class Person(Own):
        __tablename__ = "person"
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "p"}  # noqa: RUF012
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]

    class Engineer(Person):
        __tablename__ = "engineer"
        __mapper_args__ = {"polymorphic_identity": "e"}  # noqa: RUF012
        id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"), primary_key=True)

    class Desk(Own):
        __tablename__ = "desk"
        id: Mapped[int] = mapped_column(primary_key=True)
        engineer_id: Mapped[int] = mapped_column(sa.ForeignKey("engineer.id"))
        engineer: Mapped[Engineer] = relationship()

    class People(Repository[Person]):
        criteria = (predicate(Person.id > 5),)

    class Desks(Repository[Desk]):
        pass

    class OfDesk(BaseModel):
        engineer: create_model("OfEngineer", id=(int, ...))  # type: ignore[valid-type]

    database(OfDesk, repositories=[Desks])
    with pytest.raises(
        DeclarationError, match=r"^OfDesk\.engineer: Desk\.engineer is None where row criteria hide"
    ):
        database(OfDesk, repositories=[Desks, People])


def test_an_after_validator_does_not_turn_the_checks_off():
    with pytest.raises(DeclarationError, match=r"V\.title: 'title' holds str values"):
        database(view(title=Annotated[list[str], AfterValidator(len)]))
