"""What docs/fieldsets.md shows runs on the Chinook store, and gives what it says."""

import json
import re
from typing import Annotated

import pytest
from pydantic import BaseModel, Field, PlainSerializer, field_serializer

import batchrepo
from batchrepo.plan.fieldsets import MAX_DEPTH, MAX_LENGTH, MAX_NAMES
from batchrepo.testing import assert_statements
from examples.chinook.repositories import AlbumRepository
from examples.chinook.store import open_store
from examples.chinook.views import ArtistView, TrackView
from tests.docs.pages import ROOT, names_of, python_blocks, run_block, text_of

PAGE = ROOT / "docs" / "fieldsets.md"


@pytest.fixture
async def db(chinook_url):
    async with open_store(chinook_url) as opened:
        yield opened


@pytest.fixture
async def names(db):
    async with db.scope() as scope:
        yield await names_of(
            PAGE,
            **{name: getattr(batchrepo, name) for name in batchrepo.__all__},
            db=db,
            albums=AlbumRepository(scope),
            AlbumRepository=AlbumRepository,
            ArtistView=ArtistView,
            TrackView=TrackView,
            BaseModel=BaseModel,
            Field=Field,
            Annotated=Annotated,
            PlainSerializer=PlainSerializer,
            field_serializer=field_serializer,
        )


async def test_the_answers(names):
    whole, line, more = (json.loads(names[name]) for name in ("body", "line", "more"))
    assert len(whole) == len(line) == len(more) == 20
    assert line == [{"id": album["id"], "title": album["title"]} for album in whole]
    assert more == [
        {
            "title": album["title"],
            "artist": {"name": album["artist"]["name"]},
            "tracks": [
                {"name": track["name"], "genre": {"name": track["genre"]["name"]}}
                for track in album["tracks"]
            ],
        }
        for album in whole
    ]
    assert [album["title"] for album in json.loads(names["loud"])] == [
        album["title"].upper() for album in whole
    ]


async def test_what_is_printed(names, capsys):
    capsys.readouterr()
    printing = [block for block in python_blocks(PAGE) if "print(" in block]
    claimed = [claim for block in printing for claim in re.findall(r"^ *# (.+)$", block, re.MULTILINE)]
    for block in printing:
        await run_block(block, PAGE, names)
    printed = capsys.readouterr().out
    assert len(claimed) == 2
    for claim in claimed:
        assert claim in printed
    assert "fields: title,tracks(name)" in printed


async def test_as_many_statements_as_it_says(db, names):
    (block,) = [block for block in python_blocks(PAGE) if "class AlbumDetails" in block]
    claims = [(call, int(number)) for call, number in re.findall(r"= await (.+?)  # (\d) statement", block)]
    (louder,) = re.findall(r"loud = await (.+?)  # 1 statement", text_of(PAGE))
    assert len(claims) == 2
    for call, claimed in [*claims, (louder, 1)]:
        number = 1 if db.engine.dialect.name == "postgresql" else claimed
        async with db.scope() as scope:
            with assert_statements(number, db) as seen:
                await eval(call, {**names, "albums": AlbumRepository(scope)})
        if 'fields="id,title"' in call:
            assert re.findall(r"SELECT (.+?) *\n?FROM", seen.statements[0]) == ["album.id, album.title"]


def test_the_bounds():
    assert f"A text may have {MAX_LENGTH:,} characters, {MAX_NAMES} names and {MAX_DEPTH} levels" in text_of(
        PAGE
    )
