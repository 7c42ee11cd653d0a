"""Mistakes in repositories are DeclarationErrors when the Database is made; they name class and attribute."""

from __future__ import annotations

from collections.abc import Callable
from types import new_class
from typing import Any, Generic, TypeVar

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column, relationship

from batchrepo import (
    Database,
    DeclarationError,
    Repository,
    average,
    batched,
    count,
    earliest,
    exists,
    expression,
    fetched,
    latest,
    match,
    maximum,
    predicate,
    top,
    total,
)

E = TypeVar("E")


class Base(DeclarativeBase):
    pass


class Artist(Base):
    __tablename__ = "artist"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    albums: Mapped[list[Album]] = relationship(back_populates="artist")


album_label = sa.Table(
    "album_label",
    Base.metadata,
    sa.Column("album_id", sa.ForeignKey("album.id"), primary_key=True),
    sa.Column("label_id", sa.ForeignKey("label.id"), primary_key=True),
    sa.Column("place", sa.Integer),
)


class Label(Base):
    __tablename__ = "label"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Album(Base):
    __tablename__ = "album"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    public: Mapped[bool]
    artist_id: Mapped[int] = mapped_column(sa.ForeignKey("artist.id"))
    artist: Mapped[Artist] = relationship(back_populates="albums")
    tracks: Mapped[list[Track]] = relationship(back_populates="album")
    labels: Mapped[list[Label]] = relationship(secondary=album_label)

    readers = relationship("Track", lazy="write_only", viewonly=True)

    @hybrid_property
    def is_loud(self) -> bool:
        return self.title == sa.func.upper(self.title)

    @hybrid_property
    def only_in_python(self) -> str:
        return f"{self.title}!"


class LiveAlbum(Album):
    """Joined-table inheritance."""

    __tablename__ = "live_album"

    id: Mapped[int] = mapped_column(sa.ForeignKey("album.id"), primary_key=True)
    venue: Mapped[str]


class Genre(Base):
    __tablename__ = "genre"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Track(Base):
    __tablename__ = "track"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    seconds: Mapped[int]
    price: Mapped[float]
    album_id: Mapped[int] = mapped_column(sa.ForeignKey("album.id"))
    genre_id: Mapped[int] = mapped_column(sa.ForeignKey("genre.id"))
    album: Mapped[Album] = relationship(back_populates="tracks")
    genre: Mapped[Genre] = relationship()


@batched
async def covers(keys: list[int]) -> dict[int, str]:
    return {key: f"cover {key}" for key in keys}


def repository(base: Any = None, **attributes: Any) -> type[Repository[Any]]:
    """A repository R of albums (or of `base`) with these attributes."""
    return new_class("R", (base or Repository[Album],), {}, lambda namespace: namespace.update(attributes))


def database(*repositories: Any) -> Database:
    return Database("sqlite+aiosqlite://", repositories=repositories)


# --- what is wrong -------------------------------------------------------------------------------------

NO_CONDITION = "is not a SQL condition. Use a comparison with a mapped attribute, such as Album.title == 'x'."
NO_EXPRESSION = "is not a SQL expression. Use a mapped attribute such as Album.title, or a function of one."
A_TRUTH = "True is not a SQL condition: a comparison of Python values gave it. Compare with a mapped attribute, such as Album.title == 'x'."
NO_ATTRIBUTE = "Expected an attribute of a mapped class, such as Album.title; got"
BY_HAS = "A condition on related rows is written with .has(...) or .any(...)."
BY_QUERY = "A value of related rows is written as a correlated sub-query, with .scalar_subquery()."

MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    # criteria
    "criteria: not a tuple": ({"criteria": match(Album.id, lambda c: c)}, "R.criteria expects a tuple, such as (match(Album.tenant_id, lambda context: context.tenant),); got Match("),
    "criteria: None": ({"criteria": None}, "R.criteria expects a tuple, such as (match(Album.tenant_id, lambda context: context.tenant),); got None."),
    "criteria: a text": ({"criteria": ("x",)}, "R.criteria has 'x'. Expected match(...), predicate(...) or soft_delete(...)."),
    "criteria: a condition": ({"criteria": (Album.id == 1,)}, "R.criteria has "),
    "match: a name": ({"criteria": (match("tenant", lambda c: c),)}, f"R.criteria: match(): {NO_ATTRIBUTE} 'tenant'."),
    "match: a relationship": ({"criteria": (match(Album.artist, lambda c: c),)}, "R.criteria: match(): Album.artist is a relationship, not a column. Its key is Album.artist_id."),
    "match: a value": ({"criteria": (match(Album.id, 5),)}, "R.criteria: match(Album.id, ...) expects a function from the scope's context to the value, such as lambda context: context.id; got 5."),
    "match: another entity": ({"criteria": (match(Artist.id, lambda c: c),)}, "R.criteria: Artist.id is not a column of Album."),
    "predicate: a truth": ({"criteria": (predicate(True),)}, f"R.criteria: predicate: {A_TRUTH}"),
    "predicate: a text": ({"criteria": (predicate("x", name="mine"),)}, f"R.criteria: mine: 'x' {NO_CONDITION}"),
    "predicate: None": ({"criteria": (predicate(None),)}, f"R.criteria: predicate: None {NO_CONDITION}"),
    "predicate: text()": ({"criteria": (predicate(sa.text("id = 1")),)}, f"R.criteria: predicate: text('id = 1') {NO_CONDITION}"),
    "predicate: a column": ({"criteria": (predicate(Album.title),)}, "R.criteria: predicate: Album.title is a column without a comparison. Write a condition, such as Album.title == ..."),
    "predicate: a relationship": ({"criteria": (predicate(Album.artist),)}, "R.criteria: predicate: Album.artist is a relationship, not a condition. Use Album.artist.has(...) or .any(...), or compare it with an entity."),
    "predicate: another entity": ({"criteria": (predicate(Artist.name == "x"),)}, f"R.criteria: predicate: artist.name = :name_1 has columns of artist, where only columns of Album can be used. {BY_HAS}"),
    "predicate: two entities": ({"criteria": (predicate(Artist.id == Album.artist_id),)}, f"R.criteria: predicate: artist.id = album.artist_id has columns of artist, where only columns of Album can be used. {BY_HAS}"),
    "predicate: an alias": ({"criteria": (predicate(aliased(Album, name="other").id == 1),)}, f"R.criteria: predicate: other.id = :id_1 has columns of other, where only columns of Album can be used. {BY_HAS}"),
    # loading
    "loading: a list": ({"loading": [Album.artist]}, 'R.loading expects a mapping from relationships to policies, such as {Album.artist: "join"}; got ['),
    "loading: a name": ({"loading": {"artist": "join"}}, f"R.loading: {NO_ATTRIBUTE} 'artist'."),
    "loading: a column": ({"loading": {Album.title: "join"}}, "R.loading: Album.title is not a relationship of Album. It has: artist, labels, readers, tracks."),
    "loading: another entity": ({"loading": {Track.album: "join"}}, "R.loading: Track.album is not a relationship of Album."),
    "loading: no policy": ({"loading": {Album.artist: "joined"}}, "R.loading: 'joined' for Album.artist is not a policy. Expected one of batch, join, select_in, single, forbid."),
    "loading: a list of policies": ({"loading": {Album.artist: ["join"]}}, "R.loading: ['join'] for Album.artist is not a policy."),
    "loading: joining a list": ({"loading": {Album.tracks: "join"}}, "R.loading: Album.tracks holds a list, and joining lists multiplies rows."),
    # default_order
    "order: a name": ({"default_order": "title"}, "R.default_order expects a tuple, such as (Album.title,); got 'title'."),
    "order: None": ({"default_order": None}, "R.default_order expects a tuple, such as (Album.title,); got None."),
    "order: a set": ({"default_order": {Album.title}}, "R.default_order expects a tuple, such as (Album.title,); got {"),
    "order: names": ({"default_order": ("title",)}, f"R.default_order: Cannot order by it: 'title' {NO_EXPRESSION}"),
    "order: a descending name": ({"default_order": (sa.desc("title"),)}, f"R.default_order: Cannot order by it: title DESC {NO_EXPRESSION}"),
    "order: text()": ({"default_order": (sa.text("title"),)}, f"R.default_order: Cannot order by it: text('title') {NO_EXPRESSION}"),
    "order: a class": ({"default_order": (Album,)}, f"R.default_order: Cannot order by it: Album {NO_EXPRESSION}"),
    "order: a relationship": ({"default_order": (Album.artist,)}, "R.default_order: Cannot order by it: Album.artist is a relationship, which has no value in SQL. Use one of its entity's columns."),
    "order: another entity": ({"default_order": (Artist.name.desc(),)}, f"R.default_order: artist.name has columns of artist, where only columns of Album can be used. {BY_QUERY}"),
    "order: a computed list": ({"default_order": (top(Album.tracks, 2),)}, "R.default_order: Cannot order by it: top has no value in SQL: it is a list of rows. Sort and filter by an aggregate over the relation, or by latest() or earliest()."),
    "order: a list's direction": ({"default_order": (top(Album.tracks, 2).desc(),)}, "R.default_order: Cannot order by it: top has no value in SQL: it is a list of rows."),
    "order: computed for another entity": ({"default_order": (count(Artist.albums).desc(),)}, f"R.default_order: aggregate.desc() has columns of artist, where only columns of Album can be used. {BY_QUERY}"),
    # names
    "name: a method": ({"get": count(Album.tracks)}, "R.get would replace Repository.get. Give the computed attribute another name, such as get_of_album."),
    "name: an attribute": ({"scope": count(Album.tracks)}, "R.scope would replace Repository.scope."),
    "name: a setting": ({"criteria": count(Album.tracks)}, "R.criteria would replace Repository.criteria."),
    "name: an internal one": ({"_entity": count(Album.tracks)}, "R._entity starts with an underscore; such names are the repository's own. Write entity."),
    "name: a column": ({"title": count(Album.tracks)}, "R.title has the name of an attribute of Album. Give the computed attribute another name."),
    # aggregates
    "count: a name": ({"n": count("tracks")}, f"R.n: {NO_ATTRIBUTE} 'tracks'."),
    "count: a class": ({"n": count(Track)}, f"R.n: {NO_ATTRIBUTE} Track."),
    "count: a column": ({"n": count(Album.title)}, "R.n: Album.title is not a relationship. It has: artist, labels, readers, tracks."),
    "count: one": ({"n": count(Album.artist)}, "R.n: Album.artist leads to one Artist, but a list is needed here. Use a to-many relationship."),
    "count: another entity": ({"n": count(Artist.albums)}, "R.n is computed from Artist, but the repository's entity is Album. Declare it on the repository of Artist."),
    "count: an alias": ({"n": count(aliased(Album).tracks)}, "R.n: aliased(Album).tracks belongs to an alias. Expected the attribute of the mapped class itself."),
    "count: where a text": ({"n": count(Album.tracks, where="x")}, f"R.n: 'x' {NO_CONDITION}"),
    "count: where a truth": ({"n": count(Album.tracks, where=True)}, f"R.n: {A_TRUTH}"),
    "count: where text()": ({"n": count(Album.tracks, where=sa.text("x"))}, f"R.n: text('x') {NO_CONDITION}"),
    "count: where a relationship": ({"n": count(Album.tracks, where=Track.genre)}, "R.n: Track.genre is a relationship, not a condition."),
    "count: where a column": ({"n": exists(Album.tracks, where=[Track.name])}, "R.n: Track.name is a column without a comparison."),
    "count: where another entity": ({"n": count(Album.tracks, where=[Track.id > 1, Artist.name == "x"])}, f"R.n: artist.name = :name_1 has columns of artist, where only columns of Track can be used. {BY_HAS}"),
    "count: where the parent": ({"n": count(Album.tracks, where=Album.title == "x")}, f"R.n: album.title = :title_1 has columns of album, where only columns of Track can be used. {BY_HAS}"),
    "total: a name": ({"n": total(Album.tracks, "ms")}, f"R.n: 'ms' {NO_EXPRESSION}"),
    "total: None": ({"n": total(Album.tracks, None)}, f"R.n: None {NO_EXPRESSION}"),
    "total: a text column": ({"n": total(Album.tracks, Track.name)}, "R.n: total() needs numbers, but Track.name has the type String()."),
    "average: a text column": ({"n": average(Album.tracks, Track.name)}, "R.n: average() needs numbers, but Track.name has the type String()."),
    "average: a truth": ({"n": average(Artist.albums, Album.public)}, "R.n is computed from Artist"),
    "total: a relationship": ({"n": total(Album.tracks, Track.genre)}, "R.n: Track.genre is a relationship, which has no value in SQL. Use one of its entity's columns."),
    "maximum: another entity": ({"n": maximum(Album.tracks, Album.id)}, f"R.n: Album.id has columns of album, where only columns of Track can be used. {BY_QUERY}"),
    # top, latest, earliest
    "top: none": ({"n": top(Album.tracks, 0)}, "R.n: top(Album.tracks, ...) expects a number of rows per parent, 1 or more; got 0."),
    "top: a text": ({"n": top(Album.tracks, "3")}, "R.n: top(Album.tracks, ...) expects a number of rows per parent, 1 or more; got '3'."),
    "top: a truth": ({"n": top(Album.tracks, True)}, "R.n: top(Album.tracks, ...) expects a number of rows per parent, 1 or more; got True."),
    "top: one": ({"n": top(Album.artist, 3)}, "R.n: Album.artist leads to one Artist, but a list is needed here. Use a to-many relationship."),
    "top: order by a name": ({"n": top(Album.tracks, 3, order_by="id")}, f"R.n: Cannot order by it: 'id' {NO_EXPRESSION}"),
    "top: order by another entity": ({"n": top(Album.tracks, 3, order_by=Artist.name)}, f"R.n: artist.name has columns of artist, where only columns of Track can be used. {BY_QUERY}"),
    "top: order by the parent": ({"n": top(Album.tracks, 3, order_by=(Track.id, Album.title))}, f"R.n: album.title has columns of album, where only columns of Track can be used. {BY_QUERY}"),
    "latest: by a name": ({"n": latest(Album.tracks, by="x")}, f"R.n: Cannot order by it: 'x' {NO_EXPRESSION}"),
    "latest: by None": ({"n": latest(Album.tracks, by=None)}, "R.n: latest() needs by=, the column that decides; got None."),
    "earliest: by nothing": ({"n": earliest(Album.tracks, by=())}, "R.n: earliest() needs by=, the column that decides; got ()."),
    "latest: by the parent": ({"n": latest(Album.tracks, by=Album.title)}, f"R.n: album.title has columns of album, where only columns of Track can be used. {BY_QUERY}"),
    "latest: by a relationship": ({"n": latest(Album.tracks, by=Track.genre)}, "R.n: Cannot order by it: Track.genre is a relationship, which has no value in SQL. Use one of its entity's columns."),
    # expression, fetched
    "expression: a text": ({"n": expression("x")}, f"R.n: 'x' {NO_EXPRESSION}"),
    "expression: text()": ({"n": expression(sa.text("1"))}, f"R.n: text('1') {NO_EXPRESSION}"),
    "expression: another entity": ({"n": expression(Artist.name)}, f"R.n: Artist.name has columns of artist, where only columns of Album can be used. {BY_QUERY}"),
    "expression: a subclass": ({"n": expression(LiveAlbum.venue)}, f"R.n: LiveAlbum.venue has columns of live_album, where only columns of Album can be used. {BY_QUERY}"),
    "expression: a relationship": ({"n": expression(Album.artist)}, "R.n: Album.artist is a relationship, which has no value in SQL. Use one of its entity's columns."),
    "expression: a hybrid without SQL": ({"n": expression(Album.only_in_python)}, f"R.n: Album.only_in_python {NO_EXPRESSION}"),
    "count: a write-only relation": ({"n": count(Album.readers)}, "R.n: Album.readers is a write_only relationship, whose attribute holds no rows."),
    "criteria: of a subclass": ({"base": Repository[LiveAlbum], "criteria": (predicate(LiveAlbum.venue == "x"),)}, "R.criteria: LiveAlbum inherits from Album, so that its rows are also read as Album. Declare criteria on the repository of Album."),
    "fetched: no function": ({"n": fetched(5, key=Album.id)}, "R.n: fetched() expects a function decorated with @batched; got 5."),
    "fetched: a plain function": ({"n": fetched(len, key=Album.id)}, "R.n: fetched() expects a function decorated with @batched; got <built-in function len>."),
    "fetched: by a name": ({"n": fetched(covers, key="id")}, f"R.n: {NO_ATTRIBUTE} 'id'."),
    "fetched: by a relationship": ({"n": fetched(covers, key=Album.artist)}, "R.n: Album.artist is a relationship, not a column. Its key is Album.artist_id."),
    "fetched: by another entity": ({"n": fetched(covers, key=Artist.id)}, "R.n is computed from Artist, but the repository's entity is Album. Declare it on the repository of Artist."),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_found_at_start_up_and_named(case: str):
    attributes, message = MISTAKES[case]
    wrong = repository(**attributes)
    with pytest.raises(DeclarationError) as caught:
        database(wrong)
    assert str(caught.value).startswith(message)


def own_entity(kind: Any) -> type[Repository[Any]]:
    return repository(Repository[kind])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: repository(Repository), "R does not name its entity. Write class R(Repository[Album])."),
        (lambda: own_entity("Album"), "R does not name its entity. Write class R(Repository[Album])."),
        (lambda: own_entity(int), "R: <class 'int'> is not a class mapped by SQLAlchemy."),
        (lambda: 5, "repositories= expects Repository classes; got 5."),
        (lambda: Album, "repositories= expects Repository classes; got Album."),
    ],
)
def test_a_repository_has_an_entity(make: Callable[[], Any], message: str):
    with pytest.raises(DeclarationError) as caught:
        database(make())
    assert str(caught.value).startswith(message)


# --- the entity class ----------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [Artist, None, count(Album.tracks), "Album"])
def test_an_entity_class_that_contradicts_the_parameter_is_refused_with_the_class(wrong: Any):
    with pytest.raises(
        DeclarationError, match=r"^R\.entity_class is .*, but the class is a repository of Album\. Leave"
    ):
        repository(entity_class=wrong)


def test_a_subclass_cannot_change_to_another_entity():
    class Albums(Repository[Album]):
        pass

    class Artists(Repository[Artist]):
        pass

    with pytest.raises(
        DeclarationError, match=r"^R\.entity_class is Artist, but the class is a repository of Album"
    ):
        repository(Albums, entity_class=Artist)
    with pytest.raises(
        DeclarationError, match=r"^Both\.entity_class is Album, but the class is a repository of Artist"
    ):
        new_class("Both", (Albums, Artists))


def test_the_entity_comes_from_the_parameter_the_attribute_or_the_base():
    class Own(Repository[E], Generic[E]):
        pass

    class ByGeneric(Own[Album]):
        pass

    class Same(Repository[Album]):
        entity_class = Album

    class OnlyAttribute(Repository):  # type: ignore[type-arg]
        entity_class = Album

    class Inherited(ByGeneric):
        pass

    class Narrower(ByGeneric):
        entity_class = LiveAlbum

    made = database(ByGeneric, Same, OnlyAttribute, Inherited, Narrower)
    entities = {cls.__name__: info.entity.name for cls, info in made.reading.catalog.by_class.items()}
    assert entities == {
        "ByGeneric": "Album",
        "Same": "Album",
        "OnlyAttribute": "Album",
        "Inherited": "Album",
        "Narrower": "LiveAlbum",
    }


# --- what is right -------------------------------------------------------------------------------------

live = sa.exists().where(LiveAlbum.id == Album.id)

RIGHT: dict[str, dict[str, Any]] = {
    "criteria": {"criteria": [predicate(Album.public)]},
    "criteria by a hybrid": {"criteria": (predicate(Album.is_loud),)},
    "criteria by related rows": {"criteria": (predicate(Album.artist.has(Artist.name == "x") & ~Album.tracks.any()),)},
    "criteria by a sub-query": {"criteria": (predicate(Album.artist_id.in_(sa.select(Artist.id))), predicate(live))},
    "criteria by an entity": {"criteria": (predicate(Album.artist == None),)},  # noqa: E711
    "criteria by everything": {"criteria": (predicate(sa.true()), predicate(lambda context: Album.id > context))},
    "criteria by a function": {"criteria": (predicate(sa.func.is_even(Album.id)),)},
    "one order": {"default_order": Album.title.desc()},
    "orders": {"default_order": [Album.title.desc().nulls_last(), sa.func.lower(Album.title), sa.desc(Album.id), Album.id.nulls_first(), Album.title.asc()]},
    "an order by a label": {"default_order": (Album.title.label("t"),)},
    "an order by a sub-query": {"default_order": (sa.select(sa.func.count(Track.id)).where(Track.album_id == Album.id).scalar_subquery(),)},
    "no order": {"default_order": ()},
    "loading": {"loading": {Album.artist: "join", Album.tracks: "select_in", Album.labels: "forbid"}},
    "an expression as number": {"n": total(Album.tracks, Track.seconds * 2), "m": average(Album.tracks, Track.price)},
    "a maximum of texts": {"n": maximum(Album.tracks, Track.name)},
    "where by related rows": {"n": count(Album.tracks, where=Track.genre.has(Genre.name == "x"))},
    "where and order by the link": {
        "n": count(Album.labels, where=album_label.c.place > 1),
        "o": top(Album.labels, 2, order_by=album_label.c.place),
    },
    "several conditions": {"n": count(Album.tracks, where=[Track.seconds > 1, Track.name != "x"])},
    "an expression": {"n": expression(sa.func.substr(Album.title, 1, 3)), "m": expression(Album.title + "!")},
    "an expression of related rows": {
        "n": expression(sa.select(sa.func.max(Track.id)).where(Track.album_id == Album.id).scalar_subquery())
    },
    "fetched": {"n": fetched(covers, key=Album.id)},
}  # fmt: skip


@pytest.mark.parametrize("case", RIGHT)
def test_what_is_right_is_accepted(case: str):
    declared = repository(**RIGHT[case])
    assert list(database(declared).reading.catalog.by_class) == [declared]


class BusyAlbums(Repository[Album]):
    """Declarations that reach further than a column, which must run as well as be accepted."""

    default_order = (sa.func.lower(Album.title).desc(), Album.id)

    doubled = total(Album.tracks, Track.seconds * 2)
    loudest = maximum(Album.tracks, Track.name)
    of_genre = count(Album.tracks, where=Track.genre.has(Genre.name == "rock"))
    placed = count(Album.labels, where=album_label.c.place > 1)
    first_label = top(Album.labels, 1, order_by=album_label.c.place)
    last_track = expression(
        sa.select(sa.func.max(Track.id)).where(Track.album_id == Album.id).correlate(Album).scalar_subquery()
    )


async def test_declarations_of_expressions_and_link_columns_run(engine: AsyncEngine):
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(sa.insert(Artist), [{"id": 1, "name": "A"}])
        await connection.execute(sa.insert(Genre), [{"id": 1, "name": "rock"}, {"id": 2, "name": "pop"}])
        await connection.execute(sa.insert(Label), [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}])
        albums = [{"id": i, "title": title, "public": True, "artist_id": 1} for i, title in enumerate("aB")]
        await connection.execute(sa.insert(Album.__table__), albums)
        tracks = [(1, "x", 10, 1, 0), (2, "y", 20, 2, 0), (3, "z", 30, 1, 1)]
        await connection.execute(
            sa.insert(Track),
            [
                {"id": i, "name": n, "seconds": s, "price": 1.0, "genre_id": g, "album_id": a}
                for i, n, s, g, a in tracks
            ],
        )
        links = [(0, 1, 2), (0, 2, 1), (1, 1, 1)]
        await connection.execute(
            sa.insert(album_label), [{"album_id": a, "label_id": b, "place": p} for a, b, p in links]
        )
    db = Database(engine, repositories=[BusyAlbums])
    async with db.scope() as scope:
        albums = await BusyAlbums(scope).find()
        assert [album.title for album in albums] == ["B", "a"]
        values = [
            [await scope.related(album, computed) for album in albums]
            for computed in (
                BusyAlbums.doubled,
                BusyAlbums.loudest,
                BusyAlbums.of_genre,
                BusyAlbums.placed,
                BusyAlbums.last_track,
            )
        ]
        assert values == [[60, 60], ["z", "y"], [1, 1], [0, 1], [3, 2]]
        first = [await scope.related(album, BusyAlbums.first_label) for album in albums]
        assert [[label.name for label in labels] for labels in first] == [["one"], ["two"]]
