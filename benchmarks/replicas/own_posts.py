"""20 clients, each with a post of its own: a read after a write must see it, whoever answers."""

from __future__ import annotations

from batchrepo import AnyReplica, Primary, ReadYourWrites
from benchmarks.replicas.workload import ReplicaWorkload, Setting, of
from benchmarks.workload import Target

ON_PRIMARY = Setting("Primary()", Primary())
OWN_WRITES = Setting("ReadYourWrites()", ReadYourWrites())
WITHOUT_WAITING = Setting("ReadYourWrites(wait=0)", ReadYourWrites(wait=0))
ANY = Setting("AnyReplica()", AnyReplica())

_SETTINGS = (ON_PRIMARY, OWN_WRITES, WITHOUT_WAITING, ANY)
_NEVER_STALE = tuple(
    Target(f"{setting.name}, stale reads", of(setting, lambda tally: tally.stale), at_most=0)
    for setting in (ON_PRIMARY, OWN_WRITES, WITHOUT_WAITING)
)

OWN_POSTS = ReplicaWorkload(
    name="replicas",
    title="20 clients, 10 % writes, a primary and two streaming replicas",
    settings=_SETTINGS,
    targets=(
        *_NEVER_STALE,
        Target(
            "ReadYourWrites(), reads on replicas",
            of(OWN_WRITES, lambda tally: tally.on_replicas),
            at_least=0.95,
        ),
    ),
)

OWN_POSTS_BEHIND = ReplicaWorkload(
    name="replicas_behind",
    title="the same, with replicas that are 50 ms behind",
    settings=_SETTINGS,
    targets=(
        *_NEVER_STALE,
        # Else the clients would not notice stale reads.
        Target("AnyReplica(), stale reads", of(ANY, lambda tally: tally.stale), at_least=1),
    ),
    behind=50,
)

REPLICA_WORKLOADS = (OWN_POSTS, OWN_POSTS_BEHIND)
