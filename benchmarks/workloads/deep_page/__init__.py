"""A page of 20 comments to JSON: page 1, and the page behind a fifth of all comments, in four orders."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.summary import median_ratio
from benchmarks.workload import Target, Workload
from benchmarks.workloads.deep_page.core import by_hand
from benchmarks.workloads.deep_page.offset import by_offset, by_offset_and_count
from benchmarks.workloads.deep_page.orders import NULLS_FIRST, ORDERS, Order, both_pages
from benchmarks.workloads.deep_page.ours import by_page_json
from benchmarks.workloads.deep_page.peer import with_columns, with_entities


def _items(body: bytes) -> Any:
    return json.loads(body)["items"]


def _workload(order: Order) -> Workload:
    ours_first, ours_deep = both_pages(
        "batchrepo", "page_json in a fresh scope, its body", by_page_json, order
    )
    core_first, core_deep = both_pages("core", "hand-written Core, keyset, orjson", by_hand, order)
    # By its coalesce all comments that were never edited are equal, and are read until the page begins.
    slow = ["deep"] if order is NULLS_FIRST else []
    entities = both_pages(
        "sqlakeyset_orm",
        "sqlakeyset with entities, as its documentation shows; Pydantic from attributes",
        with_entities,
        order,
        slow=slow,
    )
    columns_first, columns_deep = both_pages(
        "sqlakeyset_core",
        "sqlakeyset with columns instead of entities, orjson",
        with_columns,
        order,
        slow=slow,
    )
    offsets = both_pages(
        "offset", "hand-written Core, LIMIT and OFFSET, orjson", by_offset, order, slow=["deep"]
    )
    counted = both_pages(
        "offset_count",
        "the same with a count of all rows",
        by_offset_and_count,
        order,
        slow=["first", "deep"],
    )
    return Workload(
        name=order.name,
        title=f"20 comments to JSON, page 1 and behind a fifth of all, by {order.title}",
        stacks=(
            *(ours_first, ours_deep, core_first, core_deep),
            *(columns_first, columns_deep, *entities, *offsets, *counted),
        ),
        baselines=(core_first.name, core_deep.name),
        plain=_items,
        targets=(
            Target("batchrepo deep page / its page 1", median_ratio(ours_deep, ours_first), at_most=1.3),
            Target("batchrepo page 1 / hand-written Core", median_ratio(ours_first, core_first), at_most=1.3),
            Target(
                "batchrepo deep page / hand-written Core", median_ratio(ours_deep, core_deep), at_most=1.3
            ),
            Target("sqlakeyset page 1 / batchrepo", median_ratio(columns_first, ours_first), at_least=1.3),
            Target("sqlakeyset deep page / batchrepo", median_ratio(columns_deep, ours_deep), at_least=1.3),
        ),
    )


DEEP_PAGES: tuple[Workload, ...] = tuple(map(_workload, ORDERS))
