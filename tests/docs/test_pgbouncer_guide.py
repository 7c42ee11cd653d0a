"""What docs/pgbouncer.md shows runs, with its configuration, and its names of arguments are the ones that are used."""

import configparser
import re

import pytest
from sqlalchemy import make_url

from batchrepo import Database
from batchrepo.executing.pooler import driver_arguments
from examples.chinook.models import Album
from examples.chinook.repositories import AlbumRepository, ArtistRepository, TrackRepository
from tests.docs.pages import ROOT, python_blocks, run_block, text_of
from tests.support.databases import EVERY_DRIVER
from tests.support.pgbouncer import running_pgbouncer

PAGE = ROOT / "docs" / "pgbouncer.md"
PRESET, PREPARED = python_blocks(PAGE)

OF_A_MACHINE = {"listen_addr", "auth_type", "auth_file"}
"""Settings of the page's configuration that a test cannot have: an address, and passwords."""


def configuration():
    """The settings of PgBouncer that the page shows."""
    (block,) = re.findall(r"^```ini\n(.*?)^```$", text_of(PAGE), re.MULTILINE | re.DOTALL)
    parser = configparser.ConfigParser()
    parser.read_string(block)
    assert "shop" in parser["databases"]
    return dict(parser["pgbouncer"])


@pytest.fixture(params=[driver for driver in EVERY_DRIVER if driver != "sqlite"])
def direct_url(request, chinook_postgres):
    driver = "asyncpg" if request.param == "postgresql" else request.param
    return make_url(chinook_postgres).set(drivername=f"postgresql+{driver}")


async def opened(block, url):
    names = {
        "Database": Database,
        "AlbumRepository": AlbumRepository,
        "ArtistRepository": ArtistRepository,
        "TrackRepository": TrackRepository,
        "url": url,
    }
    await run_block(block, PAGE, names)
    return names["db"]


async def albums_are_read(db):
    async with db, db.scope() as scope:
        for _ in range(8):
            page = await AlbumRepository(scope).page(order_by=Album.id, first=5)
            assert [album.id for album in page.items] == [1, 2, 3, 4, 5]


async def test_the_preset_with_the_configuration(direct_url, postgres_server):
    shown = configuration()
    assert shown.keys() >= OF_A_MACHINE
    settings = {name: value for name, value in shown.items() if name not in OF_A_MACHINE}
    with running_pgbouncer(postgres_server, **settings) as bouncer:
        db = await opened(PRESET, bouncer.through(direct_url))
        assert "through pgbouncer" in repr(db)
        await albums_are_read(db)


async def test_with_prepared_statements(direct_url, postgres_server):
    with running_pgbouncer(postgres_server, prepared_statements=200) as bouncer:
        await albums_are_read(await opened(PREPARED, bouncer.through(direct_url)))


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_the_arguments_that_the_page_names(driver):
    """Whoever has an engine of his own copies them."""
    used = driver_arguments(driver, pooler=None, prepared_statements=False)
    assert all(f"`{name}={value}`" in text_of(PAGE) for name, value in used.items())
