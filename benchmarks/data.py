"""The data of the benchmarks: the same rows every time, made inside the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.models import Base


@dataclass(frozen=True)
class Dataset:
    """A filled database.

    Attributes:
        url: for SQLAlchemy, with asyncpg.
        scale: 1 is 2,000 authors, 100,000 posts, 500,000 comments and 10,000 profiles.
    """

    url: str
    scale: float = 1.0

    @property
    def authors(self) -> int:
        return max(400, int(2_000 * self.scale))

    @property
    def posts(self) -> int:
        return max(60, int(100_000 * self.scale))

    @property
    def comments(self) -> int:
        return max(200, int(500_000 * self.scale))

    @property
    def profiles(self) -> int:
        return max(1_000, int(10_000 * self.scale))

    @property
    def tags(self) -> int:
        return 200


# Scatters neighbours over all parents, the same way on every machine: a 32-bit integer hash (two rounds of
# xor-shift and multiply) in bigint arithmetic, which cannot overflow with a multiplier below 2^31.
_SCATTER = """
    CREATE FUNCTION pg_temp.scatter(i bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN (
        SELECT c # (c >> 16) FROM
            (SELECT (b # (b >> 15)) * 2146121005 & 4294967295 AS c FROM
                (SELECT (i # (i >> 16)) * 2146121005 & 4294967295 AS b) first) second
    )"""
_FILL = {
    "author": """
        INSERT INTO author (id, name, email)
        SELECT i, 'Author ' || i, 'author' || i || '@example.org' FROM generate_series(1, :authors) i""",
    "tag": "INSERT INTO tag (id, name) SELECT i, 'tag-' || i FROM generate_series(1, :tags) i",
    "post": """
        INSERT INTO post (id, title, body, created_at, author_id)
        SELECT i, 'Post number ' || i, repeat('All work and no play makes a dull text. ', 8 + i % 9),
               timestamptz '2020-01-01 00:00:00+00' + i * interval '17 minutes', 1 + pg_temp.scatter(i) % :authors
        FROM generate_series(1, :posts) i""",
    "post_tag": """
        INSERT INTO post_tag (post_id, tag_id)
        SELECT i, 1 + (i * 31 + j * 17) % :tags
        FROM generate_series(1, :posts) i, generate_series(1, 5) j WHERE j <= i % 6""",
    "comment": """
        INSERT INTO comment (id, body, created_at, edited_at, post_id, author_id)
        SELECT i, repeat('I could not agree more. ', 2 + i % 5),
               timestamptz '2024-01-01 00:00:00+00' + (i / 2) * interval '40 seconds',
               -- Two of five were never edited; of the others several in the same minute.
               CASE WHEN pg_temp.scatter(i + 1000000000) % 5 > 1 THEN
                   timestamptz '2024-01-02 00:00:00+00' + pg_temp.scatter(i) % :comments / 4 * interval '1 minute'
               END,
               1 + pg_temp.scatter(i) % :posts, 1 + pg_temp.scatter(i + 2000000000) % :authors
        FROM generate_series(1, :comments) i""",
    "profile": """
        INSERT INTO profile (id, handle, first_name, last_name, email, phone, street, postcode, city, country,
            language, time_zone, born_on, joined_at, seen_at, followers, rating, balance, verified, about)
        SELECT i, 'member_' || i, 'First' || i % 997, 'Last' || i % 1009, 'member' || i || '@example.org',
               CASE WHEN i % 3 > 0 THEN '+41 44 ' || 1000000 + i END, i % 200 || ' Long Road', 10000 + i % 80000,
               'City ' || i % 500, 'Country ' || i % 50, 'de-CH', 'Europe/Zurich', date '1950-01-01' + i % 20000,
               timestamptz '2020-01-01 00:00:00+00' + i * interval '13 minutes',
               CASE WHEN i % 4 > 0 THEN timestamptz '2024-01-01 00:00:00+00' + i * interval '7 minutes' END,
               pg_temp.scatter(i) % 10000, pg_temp.scatter(i) % 500 / 100.0, pg_temp.scatter(i) % 100000 / 100.0,
               i % 2 = 0, repeat('I write about this and that. ', 3 + i % 5)
        FROM generate_series(1, :profiles) i""",
}


async def fill(dataset: Dataset, progress: Callable[[str], None] | None = None) -> None:
    """Make tables, rows, indexes and statistics in an empty database.

    Args:
        dataset: where, and how many rows.
        progress: called with one line before each step.
    """
    say = progress or _silent
    engine = create_async_engine(dataset.url)
    sizes = {name: getattr(dataset, name) for name in ("authors", "tags", "posts", "comments", "profiles")}
    try:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            # The rows are made right: checking every foreign key would double the time.
            await connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            await connection.execute(sa.text(_SCATTER))
            for table, sql in _FILL.items():
                statement = sa.text(sql)
                used = {name: value for name, value in sizes.items() if name in statement.compile().params}
                say(f"filling {table}")
                await connection.execute(statement, used)
        say("collecting statistics")
        async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            # VACUUM also sets hint bits and the visibility map: no stack pays for being the first reader.
            await connection.execute(sa.text("VACUUM (ANALYZE)"))
    finally:
        await engine.dispose()


def _silent(_: str) -> None: ...
