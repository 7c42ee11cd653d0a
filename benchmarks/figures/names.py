"""What stacks are called in pictures and in README.md, and of which sort they are."""

from __future__ import annotations

OURS, BY_HAND, OTHERS, FLOOR = "ours", "hand", "others", "floor"

SORTS = {
    OURS: "batchrepo",
    BY_HAND: "SQL by hand",
    OTHERS: "ORM, loaders and libraries",
    FLOOR: "reads nothing",
}
"""The sorts of stacks, in the order of the legend, and what they are called there."""

LABELS = {
    "nested_list": {
        "batchrepo_single": "batchrepo, one statement",
        "batchrepo_json": "batchrepo, batched, JSON",
        "batchrepo_inline": "batchrepo, inline_lookups",
        "batchrepo_views": "batchrepo, batched, views",
        "statement_by_hand": "1 statement, json_agg",
        "statement_texts": "1 statement, texts",
        "statement_arrays": "1 statement, arrays",
        "raw_asyncpg": "raw asyncpg, 4 statements",
        "raw_asyncpg_fewest": "raw asyncpg, 3 statements",
        "aiodataloader_core": "aiodataloader over Core",
        "aiodataloader_orm": "aiodataloader over the ORM",
        "pydantic_resolve": "pydantic-resolve over Core",
        "advanced_alchemy": "advanced-alchemy",
        "core": "Core, 5 statements",
        "core_fewest": "Core, 3 statements",
        "orm_selectinload": "ORM selectinload, Pydantic",
        "naive_loop": "ORM, loads as it goes",
    },
    "nested_graphql": {
        "batchrepo": "batchrepo",
        "batchrepo_rows": "batchrepo, from rows",
        "batchrepo_visited": "batchrepo, every field visited",
        "floor": "Strawberry, prebuilt objects",
        "loaders_core": "DataLoaders over Core",
        "aiodataloader_core": "aiodataloader over Core",
        "loaders_orm": "DataLoaders over the ORM",
        "strawberry_chemist": "strawberry-chemist",
        "strawchemy": "strawchemy",
    },
    "nested_http": {
        "batchrepo": "batchrepo, resource()",
        "batchrepo_find": "batchrepo, find_json",
        "fastapi_selectinload": "selectinload, response_model",
        "fastapi_core": "Core by hand, orjson",
        "fastapi_empty": "FastAPI, constant bytes",
    },
    "growth": {
        "batchrepo_auto": "batchrepo, JSON, AUTO",
        "batchrepo_single": "batchrepo, 1 statement",
        "batchrepo_json": "batchrepo, JSON, batched",
        "batchrepo_views": "batchrepo, views",
        "batchrepo_get_many": "batchrepo, get_many",
        "batchrepo_loop": "batchrepo, plain loop",
        "orm_selectinload": "ORM selectinload",
        "naive_loop": "ORM, loads as it goes",
    },
}
"""By workload and stack; where there is none, the name of the stack with spaces."""

_BY_HAND = {
    *("statement_by_hand", "statement_texts", "statement_arrays", "raw_asyncpg", "raw_asyncpg_fewest"),
    *("core", "core_fewest", "fastapi_core"),
}
_FLOOR = {"floor", "fastapi_empty", "select_1"}


def label(workload: str, stack: str) -> str:
    """What a stack is called."""
    return LABELS.get(workload, {}).get(stack) or stack.replace("_", " ")


def sort_of(stack: str) -> str:
    """Its sort."""
    if stack.startswith("batchrepo"):
        return OURS
    if stack in _BY_HAND:
        return BY_HAND
    return FLOOR if stack in _FLOOR else OTHERS
