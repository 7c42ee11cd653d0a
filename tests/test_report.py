"""The report: events become a tree, the tree becomes text and JSON, and what looks wrong is named."""

from __future__ import annotations

import asyncio
import json
import re
from textwrap import dedent

import pytest

from batchrepo import Database, Repository, batched
from batchrepo.events import BatchEvent, EventLog, LiftedEvent, Origin, RoundEvent, StatementEvent
from batchrepo.report import SHOWN_STEPS, Report, shorten_sql
from examples.chinook.models import Album, Artist, Track


def statement(
    cause: str, *, keys: int | None = None, rows: int = 1, ms: float = 1.0, origin: Origin | None = None
) -> StatementEvent:
    return StatementEvent(
        cause, f"SELECT 1 FROM {cause.rsplit(maxsplit=1)[-1]}", keys, rows, ms / 1000, origin
    )


def logged(*events: RoundEvent | BatchEvent | StatementEvent | LiftedEvent, keep: int = 10_000) -> EventLog:
    log = EventLog(keep=keep)
    for event in events:
        log.emit(event)
    return log


def one_round(number: int, *batches: tuple[str, int], reason="quiet") -> list[RoundEvent | BatchEvent]:
    """A round whose batches have ended, without statements."""
    ends = [BatchEvent(loader, size, 0.001, Origin(number, 0, loader)) for loader, size in batches]
    return [RoundEvent(number, 0, batches, reason), *ends]


def problems(*events: RoundEvent | BatchEvent | StatementEvent) -> list[tuple[str, str]]:
    return [(problem.kind, problem.cause) for problem in Report(logged(*events)).problems]


def masked(report: Report) -> str:
    """The text with times and SQL hidden: they differ between runs and databases."""
    lines = [line for line in str(report).splitlines() if not line.lstrip().startswith("SELECT")]
    return re.sub(r"[\d,]+\.\d ms", "0.0 ms", "\n".join(lines))


# --- the tree ---------------------------------------------------------------------------------------


def test_a_scope_that_did_nothing():
    report = Report(EventLog())
    assert str(report) == "0 statements in 0.0 ms"
    assert repr(report) == "<Report 0 statements, 0 rounds>"
    assert (report.statements, report.rounds, report.seconds, report.batches) == (0, 0, 0, ())
    assert (report.by_cause, report.slowest, report.problems) == ({}, None, ())


def test_rounds_hold_their_batches_and_batches_their_statements():
    artist, tracks = Origin(1, 0, "Artist"), Origin(1, 0, "Album.tracks")
    report = Report(
        logged(
            statement("find Album", rows=347, ms=0.6),
            RoundEvent(1, 0, (("Artist", 204), ("Album.tracks", 347)), "quiet"),
            statement("Artist by id", keys=204, rows=204, ms=0.3, origin=artist),
            statement("Album.tracks", keys=347, rows=3503, ms=6.8, origin=tracks),
            BatchEvent("Artist", 204, 0.0012, artist),
            BatchEvent("Album.tracks", 347, 0.021, tracks),
            RoundEvent(2, 0, (("Genre", 25),), "cap"),
            statement("Genre by id", keys=25, rows=25, ms=0.2, origin=Origin(2, 0, "Genre")),
            BatchEvent("Genre", 25, 0.0009, Origin(2, 0, "Genre")),
        )
    )
    assert str(report) == dedent(
        """\
        4 statements in 7.9 ms, 2 rounds
          find Album: 347 rows, 0.6 ms
            SELECT 1 FROM Album
          round 1, quiet
            Artist: batch of 204 keys, 1.2 ms
              Artist by id: 204 keys -> 204 rows, 0.3 ms
                SELECT 1 FROM id
            Album.tracks: batch of 347 keys, 21.0 ms
              Album.tracks: 347 keys -> 3,503 rows, 6.8 ms
                SELECT 1 FROM Album.tracks
          round 2, cap
            Genre: batch of 25 keys, 0.9 ms
              Genre by id: 25 keys -> 25 rows, 0.2 ms
                SELECT 1 FROM id
        slowest: Album.tracks: 347 keys -> 3,503 rows, 6.8 ms"""
    )
    assert repr(report) == "<Report 4 statements, 2 rounds>"
    assert [event.loader for event in report.batches] == ["Artist", "Album.tracks", "Genre"]
    assert report.by_cause == {"find Album": 1, "Artist by id": 1, "Album.tracks": 1, "Genre by id": 1}
    assert report.seconds == pytest.approx(0.0079)


def test_sub_rounds_stand_inside_the_round_that_waits_for_them():
    log = logged(
        RoundEvent(1, 0, (("prices", 3),), "quiet"),
        RoundEvent(2, 0, (("details", 2),), "immediate"),
        RoundEvent(3, 1, (("rates", 1),), "quiet", parent=1),
        RoundEvent(4, 2, (("banks", 1),), "quiet", parent=3),
        RoundEvent(5, 1, (("photos", 2),), "quiet", parent=2),
        statement("find Bank", origin=Origin(4, 2, "banks")),
    )
    assert str(Report(log)) == dedent(
        """\
        1 statement in 1.0 ms, 2 rounds
          round 1, quiet
            prices: batch of 3 keys, still running
            sub-round 3, quiet
              rates: batch of 1 key, still running
              sub-round 4, quiet
                banks: batch of 1 key, still running
                  find Bank: 1 row, 1.0 ms
                    SELECT 1 FROM Bank
          round 2, immediate
            details: batch of 2 keys, still running
            sub-round 5, quiet
              photos: batch of 2 keys, still running"""
    )


def test_the_chunks_of_one_loader_are_one_line_and_a_failure_is_named():
    origin = Origin(1, 0, "calls")
    log = logged(
        RoundEvent(1, 0, (("calls", 20), ("calls", 20), ("calls", 7)), "quiet"),
        BatchEvent("calls", 20, 0.002, origin),
        BatchEvent("calls", 7, 0.009, origin, "BatchTimeout"),
        BatchEvent("calls", 20, 0.003, origin, "BatchTimeout"),
    )
    assert str(Report(log)).splitlines()[2] == (
        "    calls: 3 batches of 7 to 20 keys, 47 in all, 9.0 ms, failed: BatchTimeout"
    )


def test_what_runs_in_a_batch_of_another_scope_stands_alone():
    """A scope opened inside a batch function has a log of its own, but runs in that batch's context."""
    log = logged(statement("find Album", origin=Origin(7, 0, "recommendations")))
    assert str(Report(log)).splitlines()[1] == "  find Album: 1 row, 1.0 ms"


def test_scopes_that_share_a_log_may_count_their_rounds_alike():
    log = logged(
        *one_round(1, ("Artist", 2)),
        *one_round(1, ("Album", 3)),
        statement("Album by id", keys=3, origin=Origin(1, 0, "Album")),
    )
    first, second = Report(log).to_dict()["steps"]
    assert first["batches"][0]["statements"] == []
    assert [s["cause"] for s in second["batches"][0]["statements"]] == ["Album by id"]


def test_lifted_criteria_stand_where_they_were_lifted_with_the_reason():
    lifted = LiftedEvent(("Album.tenant_id", "hidden"), "support case 4711")
    report = Report(logged(statement("count Album"), lifted, lifted, lifted, lifted, statement("find Album")))
    assert str(report).splitlines()[3:5] == [
        "  without Album.tenant_id, hidden: support case 4711",
        "  ... and 3 more like it: 0 statements, 0 rows, 0.0 ms",
    ]
    assert report.lifted == (lifted,) * 4
    assert report.to_dict()["steps"][1] == {
        "without": ["Album.tenant_id", "hidden"],
        "reason": "support case 4711",
    }


def test_many_steps_of_one_shape_are_summed_up():
    repeated = [e for n in range(1, 41) for e in one_round(n, ("Artist", 1))]
    lines = str(Report(logged(*repeated, statement("count Album")))).splitlines()
    assert lines[1:5] == [
        "  round 1, quiet",
        "    Artist: batch of 1 key, 1.0 ms",
        "  ... and 39 more like it: 0 statements, 0 rows, 0.0 ms",
        "  count Album: 1 row, 1.0 ms",
    ]


def test_three_steps_of_one_shape_are_shown_in_full():
    lines = str(Report(logged(*(statement("find Album") for _ in range(3))))).splitlines()
    assert lines.count("  find Album: 1 row, 1.0 ms") == 3


def test_a_long_report_ends_with_what_is_not_shown():
    other = [statement(f"find E{number}", rows=2, ms=2.0) for number in range(SHOWN_STEPS + 7)]
    lines = str(Report(logged(*other))).splitlines()
    assert f"  find E{SHOWN_STEPS - 1}: 2 rows, 2.0 ms" in lines
    assert not any(f"find E{SHOWN_STEPS}:" in line for line in lines[:-1])
    assert lines[-2] == "  ... and 7 more steps: 7 statements, 14 rows, 14.0 ms"


def test_what_the_log_did_not_keep_is_counted():
    report = Report(logged(*(statement("find Album") for _ in range(12)), keep=2))
    assert report.statements == 12
    assert report.by_cause == {"find Album": 12}
    assert str(report).splitlines()[:2] == [
        "12 statements in 2.0 ms",
        "  (10 earlier statements: counted, but not kept)",
    ]


def test_a_report_is_of_the_moment_when_it_was_made():
    log = logged(statement("find Album"))
    report = Report(log)
    log.emit(statement("find Artist"))
    assert report.statements == 1
    assert "find Artist" not in str(report)


# --- problems ---------------------------------------------------------------------------------------


def test_a_loader_in_several_rounds_is_split():
    events = [e for n in range(1, 5) for e in one_round(n, ("Album.artist", 15), (f"other {n}", 2))]
    (problem,) = Report(logged(*events)).problems
    assert (problem.kind, problem.cause) == ("split", "Album.artist")
    assert problem.text.startswith(
        "Album.artist went out in 4 rounds of 15 keys: the callers awaited at different depths."
    )
    assert str(Report(logged(*events))).splitlines()[-1] == f"split: {problem.text}"


def test_a_split_names_the_range_of_its_sizes():
    (problem,) = Report(logged(*one_round(1, ("Artist", 1200)), *one_round(2, ("Artist", 2)))).problems
    assert problem.text.startswith("Artist went out in 2 rounds of 2 to 1,200 keys:")


def test_batches_of_one_key_are_a_loop():
    events = [e for n in range(1, 41) for e in one_round(n, ("Artist", 1))]
    (problem,) = Report(logged(*events)).problems
    assert (problem.kind, problem.cause) == ("single", "Artist")
    assert problem.text.startswith("40 batches of one key for Artist: a loop that awaits each.")


def test_a_statement_without_keys_again_and_again_is_a_loop():
    (problem,) = Report(logged(*(statement("find Album") for _ in range(40)))).problems
    assert (problem.kind, problem.cause) == ("repeated", "find Album")
    assert problem.text.startswith("find Album ran 40 times: a loop that asks the database each time.")


def test_a_loop_inside_a_batch_function_is_found_too():
    origin = Origin(1, 0, "prices")
    events = [statement("fetch", origin=origin) for _ in range(5)]
    (problem,) = Report(logged(RoundEvent(1, 0, (("prices", 5),), "quiet"), *events)).problems
    assert problem.text.startswith("fetch ran 5 times in one batch of prices:")


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([*one_round(1, ("A", 1)), *one_round(2, ("A", 1))], id="two single keys"),
        pytest.param([*one_round(1, ("A", 1)), *one_round(2, ("A", 9))], id="one key, then many"),
        pytest.param([*one_round(1, ("A", 5)), *one_round(2, ("B", 5))], id="different loaders"),
        pytest.param([*one_round(1, ("A", 5), ("A", 5), ("A", 2))], id="chunks of one round"),
        pytest.param([*one_round(1, ("A", 1), ("A", 1), ("A", 1))], id="a loader that does not batch"),
        pytest.param(
            [*one_round(1, ("A", 5), reason="immediate"), *one_round(2, ("A", 5), reason="immediate")],
            id="a loader that does not wait",
        ),
        pytest.param(
            [*one_round(1, ("A", 5), reason="manual"), *one_round(2, ("A", 5), reason="manual")],
            id="flushed by hand",
        ),
        pytest.param([statement("find Album")] * 2, id="the same twice"),
        pytest.param([statement("stream Track")] * 9, id="a stream's chunks"),
        pytest.param([statement("Album.tracks", keys=9)] * 9, id="keyed statements of plan reads"),
        pytest.param([statement(f"find E{n}") for n in range(9)], id="different statements"),
    ],
)
def test_what_is_no_problem(events):
    assert problems(*events) == []


# --- JSON -------------------------------------------------------------------------------------------


def test_a_report_is_plain_json():
    origin = Origin(1, 0, "Artist")
    report = Report(
        logged(
            statement("find Album", rows=3),
            RoundEvent(1, 0, (("Artist", 2),), "quiet"),
            statement("Artist by id", keys=2, rows=2, ms=4.0, origin=origin),
            RoundEvent(2, 1, (("inner", 1),), "quiet", parent=1),
            BatchEvent("Artist", 2, 0.005, origin),
        )
    )
    found = report.to_dict()
    assert json.loads(json.dumps(found)) == found
    by_id = {"cause": "Artist by id", "keys": 2, "rows": 2, "seconds": 0.004, "sql": "SELECT 1 FROM id"}
    assert found == {
        "statements": 2,
        "rounds": 1,
        "batches": 1,
        "seconds": pytest.approx(0.005),
        "by_cause": {"find Album": 1, "Artist by id": 1},
        "slowest": by_id,
        "problems": [],
        "steps": [
            {"cause": "find Album", "keys": None, "rows": 3, "seconds": 0.001, "sql": "SELECT 1 FROM Album"},
            {
                "round": 1,
                "depth": 0,
                "reason": "quiet",
                "batches": [
                    {"loader": "Artist", "sizes": [2], "seconds": 0.005, "failed": [], "statements": [by_id]}
                ],
                "rounds": [
                    {
                        "round": 2,
                        "depth": 1,
                        "reason": "quiet",
                        "batches": [
                            {"loader": "inner", "sizes": [1], "seconds": None, "failed": [], "statements": []}
                        ],
                        "rounds": [],
                    }
                ],
            },
        ],
    }


def test_json_for_outsiders_has_no_sql():
    origin = Origin(1, 0, "Artist")
    log = logged(
        statement("find Album"),
        RoundEvent(1, 0, (("Artist", 2),), "quiet"),
        statement("Artist by id", keys=2, origin=origin),
    )
    assert "SELECT" in json.dumps(Report(log).to_dict())
    assert "SELECT" not in json.dumps(Report(log).to_dict(sql=False))


def test_problems_are_in_the_json():
    report = Report(logged(*(statement("find Album") for _ in range(3))))
    (problem,) = report.problems
    assert report.to_dict()["problems"] == [{"kind": "repeated", "cause": "find Album", "text": problem.text}]


# --- SQL in one line --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT a, b\nFROM t \nWHERE  a = ?", "SELECT a, b FROM t WHERE a = ?"),
        (
            "SELECT album.id, album.title AS a_title, album.artist_id FROM album",
            "SELECT album.id, ... FROM album",
        ),
        (
            "SELECT coalesce(sum(track.milliseconds), (SELECT 0 FROM nothing)) AS a0 FROM track",
            "SELECT coalesce(sum(track.milliseconds), (SELECT 0 FROM nothing)) AS a0 FROM track",
        ),
        ("INSERT INTO t (a, b) VALUES (?, ?)", "INSERT INTO t (a, b) VALUES (?, ?)"),
        (
            "SELECT album.id, album.title AS a_title, album.artist_id",
            "SELECT album.id, album.title AS a_title, album.artist_id",
        ),
    ],
)
def test_shortened_sql(sql, shown):
    assert shorten_sql(sql) == shown


def test_long_sql_is_cut():
    shown = shorten_sql("SELECT 1 FROM t WHERE " + " OR ".join(f"a = {n}" for n in range(50)), 60)
    assert len(shown) <= 60
    assert shown.endswith(" ...")


# --- real scopes ------------------------------------------------------------------------------------


class ArtistRepository(Repository[Artist]):
    pass


class AlbumRepository(Repository[Album]):
    pass


class TrackRepository(Repository[Track]):
    pass


@pytest.fixture
async def db(chinook_url):
    async with Database(
        chinook_url, repositories=[ArtistRepository, AlbumRepository, TrackRepository]
    ) as opened:
        yield opened


async def test_the_report_of_a_loop_over_related(db):
    async with db.scope() as scope:
        for album in await AlbumRepository(scope).find():
            artist = await scope.related(album, Album.artist)
            await scope.related(artist, Artist.albums)
        report = scope.report()
    *tree, slowest = masked(report).splitlines()
    assert "\n".join(tree) == dedent(
        """\
        3 statements in 0.0 ms, 2 rounds
          find Album: 347 rows, 0.0 ms
          round 1, quiet
            Artist: batch of 204 keys, 0.0 ms
              Artist by id: 204 keys -> 204 rows, 0.0 ms
          round 2, quiet
            Artist.albums: batch of 204 keys, 0.0 ms
              Artist.albums: 204 keys -> 347 rows, 0.0 ms"""
    )
    assert slowest.startswith("slowest: ")
    assert report.problems == ()
    assert report.seconds > 0
    assert all(event.seconds > 0 for event in report.batches)


async def test_a_loop_that_awaits_each_key_is_named(db):
    async with db.scope() as scope:
        artists = ArtistRepository(scope)
        for key in range(1, 41):
            await artists.get(key)
        (problem,) = scope.report().problems
    assert problem.text.startswith("40 batches of one key for Artist: a loop that awaits each.")


async def test_a_loop_of_finds_is_named(db):
    async with db.scope() as scope:
        for key in range(1, 41):
            await AlbumRepository(scope).find(Album.artist_id == key)
        (problem,) = scope.report().problems
    assert (problem.kind, problem.cause) == ("repeated", "find Album")


async def test_callers_that_await_at_different_depths_are_named(db):
    """Waves of callers, each let go by an answer of the wave before: no scheduler could see them together."""

    async def wave(scope, keys):
        return await asyncio.gather(*(ArtistRepository(scope).get(key) for key in keys))

    async with db.scope() as scope:
        for start in (1, 16, 31, 46):
            await wave(scope, range(start, start + 15))
        (problem,) = scope.report().problems
    assert problem.text.startswith("Artist went out in 4 rounds of 15 keys:")


async def test_loads_inside_a_batch_function_are_a_sub_round(db):
    @batched
    async def biggest(ids: list[int], scope) -> dict[int, str]:
        artists = await ArtistRepository(scope).get_many(ids)
        return {artist.id: artist.name for artist in artists}

    async with db.scope() as scope:
        await scope.load_many(biggest, [1, 2, 3])
        report = scope.report()
    assert masked(report).splitlines()[1:6] == [
        "  round 1, quiet",
        f"    {biggest.name}: batch of 3 keys, 0.0 ms",
        "    sub-round 2, quiet",
        "      Artist: batch of 3 keys, 0.0 ms",
        "        Artist by id: 3 keys -> 3 rows, 0.0 ms",
    ]
    assert report.rounds == 1


async def test_a_stream_is_no_problem(db):
    async with db.scope() as scope:
        async for _ in TrackRepository(scope).stream(chunk_size=500):
            pass
        report = scope.report()
    assert report.by_cause == {"stream Track": 8}
    assert report.problems == ()
