"""Loading by key: loaders that batch, and the scheduler that decides when. Knows neither SQL nor plans."""

from __future__ import annotations

# what users declare
from batchrepo.loading.batched import Batched, batched

# what keys may be
from batchrepo.loading.keys import InvalidKey

# what single lookups give
from batchrepo.loading.lazy_future import Asked, LazyFuture, awaited, lazily

# loaders and when they go out
from batchrepo.loading.loader import BatchLoader, Dispatch

# values that stand for none
from batchrepo.loading.results import MISSING, RAISE, Sentinel
from batchrepo.loading.scheduler import Scheduler

__all__ = [
    "MISSING",
    "RAISE",
    "Asked",
    "BatchLoader",
    "Batched",
    "Dispatch",
    "InvalidKey",
    "LazyFuture",
    "Scheduler",
    "Sentinel",
    "awaited",
    "batched",
    "lazily",
]
