"""Clients that read their own post with all that belongs to it, and now and then change it.

Each keeps its consistency token as text, as a browser keeps a cookie, and knows what it wrote last: whoever answers with
less is stale.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from time import perf_counter

from batchrepo import Database
from batchrepo.events import RouteEvent
from benchmarks.models import Post
from benchmarks.replicas.workload import ReplicaWorkload, Setting, Tally
from benchmarks.workloads.nested_list.ours import PostRepository
from benchmarks.workloads.nested_list.views import PostView


class Client:
    """Somebody with a post of their own.

    Args:
        db: where it is.
        post: its key.
        chance: decides what is asked next.

    Attributes:
        token: as it came with the last answer to a write.
    """

    def __init__(self, db: Database, post: int, chance: random.Random) -> None:
        self._db = db
        self._post = post
        self._chance = chance
        self._written = 0
        self.token: str | None = None

    async def ask(self, setting: Setting, writes: float, tally: Tally) -> None:
        """One request."""
        if self._chance.random() < writes:
            await self._write(setting)
            tally.writes += 1
        else:
            await self._read(setting, tally)

    async def _write(self, setting: Setting) -> None:
        async with self._db.scope(routing=setting.policy, token=self.token) as scope:
            async with scope.transaction():
                post = await PostRepository(scope).get(self._post)
                post.title = str(self._written + 1)
            token = await scope.consistency_token()
        self._written += 1
        self.token = None if token is None else self._db.tokens.write(token)

    async def _read(self, setting: Setting, tally: Tally) -> None:
        async with self._db.scope(routing=setting.policy, token=self.token) as scope:
            body = await PostRepository(scope).find_json(PostView, Post.id == self._post)
        (post,) = json.loads(body)
        # A post that was never written has a title of words.
        tally.stale += self._written > 0 and post["title"] != str(self._written)
        (route,) = [event for event in scope.events.events if isinstance(event, RouteEvent)]
        tally.reads[route.endpoint] += 1
        if route.waited >= _NOTICED:
            tally.waited.append(route.waited * 1e3)


_NOTICED = 0.0001
"""Seconds that a choice takes at least if it asked a replica: without that it is some microseconds."""


async def run(
    workload: ReplicaWorkload,
    setting: Setting,
    clients: list[Client],
    tally: Tally,
    most: int,
    seconds: float,
) -> tuple[float, list[float]]:
    """Let all clients ask, until so many requests were made or the time is over.

    Returns:
        How many seconds it took, and the time of each request in ms.
    """
    started = perf_counter()
    times: list[float] = []
    left = most

    async def ask_on(client: Client) -> None:
        nonlocal left
        while left > 0 and perf_counter() - started < seconds:
            left -= 1
            times.append(await _timed(lambda: client.ask(setting, workload.writes, tally)))

    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(ask_on(client))
    return perf_counter() - started, times


async def _timed(request: Callable[[], Awaitable[None]]) -> float:
    started = perf_counter()
    await request()
    return (perf_counter() - started) * 1e3
