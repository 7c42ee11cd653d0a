"""Runs: one cluster and one Database, whose scopes are routed in one way after the other, so that a slow minute hits all."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from statistics import quantiles
from time import process_time

import psutil

from batchrepo import Database
from benchmarks.data import Dataset, fill
from benchmarks.measure import Effort
from benchmarks.replicas.clients import Client, run
from benchmarks.replicas.workload import ReplicaWorkload, Routed, Setting
from benchmarks.workloads.nested_list.ours import AuthorRepository, PostRepository
from benchmarks.workloads.nested_list.views import PostView
from tests.support.cluster import Cluster, running_cluster

PART = 0.05
"""Of the other workloads' rows: all three servers keep them in memory."""


async def measure_replicas(
    workload: ReplicaWorkload, scale: float, effort: Effort, progress: Callable[[int], None]
) -> dict[str, Routed]:
    """Start a cluster, and let the clients ask in each setting in turn.

    Args:
        workload: the workload.
        scale: of the data.
        effort: how long.
        progress: called with the number of finished rounds.

    Returns:
        What was measured, by setting.
    """
    measured = {setting.name: Routed() for setting in workload.settings}
    with running_cluster() as cluster:
        dataset = Dataset(cluster.primary.url(), scale * PART)
        await fill(dataset)
        cluster.caught_up()
        if workload.behind:
            for replica in cluster.replicas:
                replica.configure(recovery_min_apply_delay=f"{workload.behind}ms")
        async with _database(workload, cluster) as db:
            chance = random.Random(1)
            clients = [Client(db, number + 1, chance) for number in range(workload.clients)]
            for setting in workload.settings:
                await run(workload, setting, clients, Routed().tally, effort.requests, effort.seconds)
            for number in range(effort.runs):
                for setting in chance.sample(workload.settings, len(workload.settings)):
                    await _measure(workload, setting, clients, effort, cluster, measured[setting.name])
                progress(number + 1)
    return measured


@asynccontextmanager
async def _database(workload: ReplicaWorkload, cluster: Cluster) -> AsyncIterator[Database]:
    async with Database(
        primary=cluster.primary.url(),
        replicas=[replica.url() for replica in cluster.replicas],
        repositories=[PostRepository, AuthorRepository],
        views=[PostView],
        pool_size=workload.clients,  # nobody waits for a connection
        max_overflow=0,
        read_connections=1,
    ) as db:
        yield db


async def _measure(
    workload: ReplicaWorkload,
    setting: Setting,
    clients: list[Client],
    effort: Effort,
    cluster: Cluster,
    into: Routed,
) -> None:
    server = _backends(cluster)
    cpu = process_time()
    seconds, times = await run(workload, setting, clients, into.tally, effort.requests, effort.seconds)
    requests = len(times)
    hundredths = quantiles(times, n=100, method="inclusive")
    into.rates.append(requests / seconds)
    into.p50.append(hundredths[49])
    into.p95.append(hundredths[94])
    into.cpu.append((process_time() - cpu) / requests * 1e3)
    into.primary_cpu.append((_backends(cluster) - server) / requests * 1e3)


def _backends(cluster: Cluster) -> float:
    """CPU seconds of all processes of the primary."""
    process = int((cluster.primary.data / "postmaster.pid").read_text().split()[0])
    times = [child.cpu_times() for child in psutil.Process(process).children()]
    return sum(each.user + each.system for each in times)
