"""Row criteria hold in every call of a repository."""

from __future__ import annotations

import json

import pytest
from pydantic import create_model

from batchrepo import NotFound
from tests.criteria.models import Chapter, Page, Picture
from tests.criteria.reading import key_view
from tests.criteria.repositories import REPOSITORY_OF, PageRepository, PictureRepository
from tests.criteria.rows import View, key_names, key_of, keys_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEES = View(site=1)
EVERYTHING = View(site=None)

every_class = pytest.mark.parametrize("cls", REPOSITORY_OF, ids=lambda cls: cls.__name__)


def hidden(cls):
    return [key for key in EVERYTHING.keys(cls) if not SEES.sees(cls, key)]


@pytest.fixture
def repository(scope, cls):
    return REPOSITORY_OF[cls](scope)


@every_class
async def test_find(repository, cls):
    assert sorted(keys_of(cls, await repository.find())) == SEES.keys(cls)
    assert sorted(keys_of(cls, await repository.find(key_view(cls)))) == SEES.keys(cls)


@every_class
async def test_find_json(repository, cls):
    found = json.loads(await repository.find_json(key_view(cls)))
    names = key_names(cls)
    keys = [tuple(item[name] for name in names) if len(names) > 1 else item[names[0]] for item in found]
    assert sorted(keys) == SEES.keys(cls)


@every_class
async def test_get_finds_what_the_scope_sees(repository, cls):
    key = SEES.keys(cls)[0]
    assert key_of(cls, await repository.get(key)) == key
    assert key_of(cls, await repository.get(key, key_view(cls))) == key


@every_class
async def test_get_does_not_find_what_is_hidden(repository, cls):
    key = hidden(cls)[0]
    for view in ((), (key_view(cls),)):
        with pytest.raises(NotFound):
            await repository.get(key, *view)
        assert await repository.get_or_none(key, *view) is None


@every_class
async def test_get_many_names_what_is_hidden(repository, cls):
    keys = EVERYTHING.keys(cls)
    for view in ((), (key_view(cls),)):
        found = await repository.get_many_or_none(keys, *view)
        assert [keys_of(cls, one) for one in found] == [key if SEES.sees(cls, key) else None for key in keys]
        with pytest.raises(NotFound) as refusal:
            await repository.get_many(keys, *view)
        assert list(refusal.value.keys) == hidden(cls)
        assert keys_of(cls, await repository.get_many(SEES.keys(cls), *view)) == SEES.keys(cls)


@every_class
async def test_count_and_exists(repository, cls):
    assert await repository.count() == len(SEES.keys(cls))
    assert await repository.exists()
    assert not await repository.exists(cls.site == 2)
    assert await repository.count(cls.site == 2) == 0


@every_class
async def test_first(repository, cls):
    order = [getattr(cls, name) for name in key_names(cls)]
    assert key_of(cls, await repository.first(order_by=order)) == SEES.keys(cls)[0]
    assert key_of(cls, await repository.first(key_view(cls), order_by=order)) == SEES.keys(cls)[0]
    assert await repository.first(cls.site == 2) is None


@every_class
@pytest.mark.parametrize("chunk_size", [1, 3, 500])
async def test_stream(repository, cls, chunk_size):
    entities = [key_of(cls, one) async for one in repository.stream(chunk_size=chunk_size)]
    views = [key_of(cls, one) async for one in repository.stream(key_view(cls), chunk_size=chunk_size)]
    assert entities == views == SEES.keys(cls)


@every_class
async def test_find_by(repository, cls):
    assert sorted(keys_of(cls, await repository.find_by(cls.site, 1))) == SEES.keys(cls)
    assert await repository.find_by(cls.site, 2) == []
    assert await repository.find_by(cls.site, 2, key_view(cls)) == []


async def test_find_by_many_of_a_value_that_both_sites_have(scope):
    titles = sorted({row["title"] for row in EVERYTHING.rows(Page)})
    expected = [[row["id"] for row in SEES.rows(Page) if row["title"] == title] for title in titles]
    for view in ((), (key_view(Page),)):
        found = await PageRepository(scope).find_by_many(Page.title, titles, *view)
        assert [keys_of(Page, group) for group in found] == expected


async def test_a_subclass_has_the_criteria_of_its_base(scope):
    pictures = PictureRepository(scope)
    wide = [row["id"] for row in SEES.rows(Picture) if row["id"] * 10 > 100]
    assert sorted(keys_of(Picture, await pictures.find(Picture.width > 100))) == wide
    assert await pictures.count(Picture.width > 100) == len(wide)
    view = create_model("Width", id=(int, ...), width=(int, ...))
    assert sorted(one.width for one in await pictures.find(view)) == [key * 10 for key in SEES.keys(Picture)]


async def test_a_composite_key_hides_rows_of_the_other_site(scope):
    chapters = REPOSITORY_OF[Chapter](scope)
    for key in EVERYTHING.keys(Chapter):
        found = await chapters.get_or_none(key)
        assert (found is not None) == SEES.sees(Chapter, key)
