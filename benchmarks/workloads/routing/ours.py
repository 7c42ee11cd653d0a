"""batchrepo with two replicas, without, and without routing.

All servers are the same one, so that nothing differs but what this side does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from batchrepo import Database, HealthChecks, Scope
from batchrepo.events import EventLog
from batchrepo.scope.family import Family
from benchmarks.data import Dataset
from benchmarks.workload import Request, Stack
from benchmarks.workloads.nested_list.ours import NEWEST, AuthorRepository, PostRepository
from benchmarks.workloads.nested_list.views import PostView

RARELY = HealthChecks(interval=60)
"""Looks at the servers are a cost of each second, not of a request; and under valgrind a second is short."""


class _NoRouting(Database):
    """Opens scopes as if there were no routing: what that makes for each of them is made once for all."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._route = super().scope()._route

    def scope(self, *_: Any, **__: Any) -> Scope:
        return Scope(
            self.reading,
            self.reading.guards(None),
            self._route,
            context=None,
            resources=self.resources,
            session=None,
            snapshot=False,
            mode=self.mode,
            max_statements=None,
            events=EventLog(listeners=()),
            manual=False,
            family=Family(self._route._consistency),
        )


def _reading(make: Callable[[str], Database]) -> Callable[[Dataset], AbstractAsyncContextManager[Request]]:
    @asynccontextmanager
    async def open_(dataset: Dataset) -> AsyncIterator[Request]:
        async with make(dataset.url) as db:

            async def request() -> bytes:
                async with db.scope() as scope:
                    # Batched, since what routing adds to each of many statements is measured.
                    return await PostRepository(scope).find_json(
                        PostView, order_by=NEWEST, limit=50, strategy="batched"
                    )

            yield request

    return open_


_BLOG: dict[str, Any] = {"repositories": [PostRepository, AuthorRepository], "views": [PostView]}


def _no_routing(url: str) -> Database:
    return _NoRouting(url, **_BLOG)


def _no_replicas(url: str) -> Database:
    return Database(url, **_BLOG)


def _two_replicas(url: str) -> Database:
    return Database(url, replicas=[url, url], health=RARELY, **_BLOG)


NO_ROUTING = Stack("no_routing", "find_json in scopes that share one route", _reading(_no_routing))
NO_REPLICAS = Stack(
    "no_replicas", "find_json in a fresh scope of a Database as it is", _reading(_no_replicas)
)
TWO_REPLICAS = Stack(
    "two_replicas",
    "the same with two replicas, which are looked at once in a minute",
    _reading(_two_replicas),
)
