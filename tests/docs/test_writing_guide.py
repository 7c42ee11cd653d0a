"""What docs/writing.md shows runs on the Chinook store, and gives what it says."""

import pytest
from pydantic import BaseModel

import batchrepo
from batchrepo.writing.choosing import COPY_FROM, TABLE_FROM
from batchrepo.writing.running import CHUNK, LIST_CHUNK
from batchrepo.writing.update.updating import COPY_FROM as UPDATE_COPY_FROM
from examples.chinook import models
from examples.chinook.repositories import AlbumRepository, ArtistRepository
from examples.chinook.store import open_store
from tests.docs.pages import ROOT, python_blocks, run_block, text_of

PAGE = ROOT / "docs" / "writing.md"


class ArtistLine(BaseModel):
    id: int
    name: str


@pytest.fixture(params=["chinook_sqlite", "chinook_postgres_copy"])
def writable_url(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
async def db(writable_url):
    async with open_store(writable_url) as opened:
        yield opened


async def test_what_the_page_shows(db, writable_url):
    # The store's numbers were given when it was filled: the sequences of PostgreSQL begin anew.
    if db.engine.dialect.name == "postgresql":
        async with db.engine.begin() as connection:
            for table in ("album", "artist"):
                await connection.exec_driver_sql(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 50000)"
                )
    names = {
        **{name: getattr(batchrepo, name) for name in batchrepo.__all__},
        **{name: getattr(models, name) for name in ("Album", "Artist", "Track")},
        "db": db,
        "url": writable_url,
        "AlbumRepository": AlbumRepository,
        "ArtistRepository": ArtistRepository,
        "ArtistLine": ArtistLine,
    }
    try:
        for block in python_blocks(PAGE):
            await run_block(block, PAGE, names)
    finally:
        if "store" in names:
            await names["store"].dispose()
    what_updates_gave(names)
    assert names["result"].rows == [1, 9001]
    assert names["loaded"].count == 25_000
    assert [progress.written for progress in names["seen"]] == [10_000, 20_000, 25_000]
    assert [view.name for view in names["views"].rows] == ["Rainbow"]
    assert [error.kind for error in names["refused"]] == ["unique"]
    assert [error.index for error in names["collected"].errors] == [1]
    assert names["collected"].count == 2
    assert [line.name for line in names["merged"].rows] == ["last", "last"]
    assert names["text"].splitlines()[1].partition(":")[0] in ("copy", "multivalues")
    async with db.scope() as scope:
        artists = ArtistRepository(scope)
        assert (await artists.get(1)).name == "AC/DC (Australia)"
        assert [artist.name for artist in await artists.get_many(names["keys"].rows)] == [
            "Motörhead",
            "Girlschool",
        ]


def what_updates_gave(names):
    assert (names["updated"].count, names["updated"].rows) == (2, [2, 1])
    assert (names["raised"].count, names["deleted"].count, names["deleted_too"].count) == (2, 2, 1)
    unwritten = names["unwritten"]
    assert (unwritten.index, unwritten.kind, unwritten.key, unwritten.columns) == (1, "unique", 3, ("ref",))
    others = names["others"]
    assert (others.count, [error.key for error in others.errors]) == (1, [3])
    assert [(error.kind, error.key) for error in names["stale"]] == [("stale", 4)]
    assert names["nothing"].count == 0
    assert [(error.index, error.kind) for error in names["forbidden"]] == [(0, "forbidden")]
    assert names["made"] == names["DocumentView"](id=20, folder_id=1, title="In a folder")
    assert names["closed"].keys == (2,)
    assert (names["shown"], names["with_deleted"], names["gone"].count) == (6, 9, 1)


def test_numbers_on_the_page():
    text = text_of(PAGE)
    assert f"{CHUNK:,} rows are held at once" in text
    assert f"{LIST_CHUNK:,} rows of a list" in text
    assert f"PostgreSQL, {COPY_FROM} rows or more" in text
    assert f"upsert of {TABLE_FROM:,} rows or more" in text
    assert f"update of {UPDATE_COPY_FROM:,} rows or more" in text
