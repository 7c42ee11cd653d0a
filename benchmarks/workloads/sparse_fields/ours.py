"""batchrepo: the wide view narrowed by `fields=`, as a client asks for it; and a view that has these fields only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from batchrepo import Database, Repository
from benchmarks.data import Dataset
from benchmarks.models import Profile
from benchmarks.workload import Request, Stack
from benchmarks.workloads.sparse_fields.views import NAMES, ROWS, ProfileLine, ProfileView


class ProfileRepository(Repository[Profile]):
    default_order = (Profile.id,)


@asynccontextmanager
async def _fields(dataset: Dataset) -> AsyncIterator[Request]:
    fields = ",".join(NAMES)
    async with Database(dataset.url, repositories=[ProfileRepository], views=[ProfileView]) as db:

        async def request() -> bytes:
            async with db.scope() as scope:
                return await ProfileRepository(scope).find_json(ProfileView, fields=fields, limit=ROWS)

        yield request


@asynccontextmanager
async def _view(dataset: Dataset) -> AsyncIterator[Request]:
    async with Database(dataset.url, repositories=[ProfileRepository], views=[ProfileLine]) as db:

        async def request() -> bytes:
            async with db.scope() as scope:
                return await ProfileRepository(scope).find_json(ProfileLine, limit=ROWS)

        yield request


FIELDS = Stack("batchrepo_fields", "find_json of the wide view with fields=", _fields)
VIEW = Stack("batchrepo_view", "find_json of a view with these three fields", _view)
