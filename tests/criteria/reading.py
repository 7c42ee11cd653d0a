"""Ways to read a relation: each gives, for every owner that the scope sees, the keys of what it leads to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from typing import Any

from pydantic import BaseModel, create_model
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload, subqueryload

from batchrepo import Scope
from tests.criteria.repositories import REPOSITORY_OF
from tests.criteria.rows import Key, Relation, key_names, key_of, keys_of

Answer = dict[Key, Any]
"""For each owner's key: a list of keys, a key, or None."""

Way = Callable[[Scope, Relation], Awaitable[Answer]]
"""A way to read one relation of all owners."""


async def owners(scope: Scope, relation: Relation) -> list[Any]:
    return await REPOSITORY_OF[relation.owner](scope).find()


def answer(relation: Relation, pairs: Iterable[tuple[Any, Any]]) -> Answer:
    """Of owners (entities or views) and what was found for each."""
    return {key_of(relation.owner, owner): keys_of(relation.target, found) for owner, found in pairs}


async def related_in_a_loop(scope: Scope, relation: Relation) -> Answer:
    return answer(
        relation, [(o, await scope.related(o, relation.attribute)) for o in await owners(scope, relation)]
    )


async def related_gathered(scope: Scope, relation: Relation) -> Answer:
    asked = await owners(scope, relation)
    found = await asyncio.gather(*(scope.related(owner, relation.attribute) for owner in asked))
    return answer(relation, zip(asked, found, strict=True))


async def related_as_view(scope: Scope, relation: Relation) -> Answer:
    asked = await owners(scope, relation)
    view = key_view(relation.target)
    found = await asyncio.gather(*(scope.related(owner, relation.attribute, view) for owner in asked))
    return answer(relation, zip(asked, found, strict=True))


async def awaitable_attrs_in_a_loop(scope: Scope, relation: Relation) -> Answer:
    asked = await owners(scope, relation)
    return answer(relation, [(o, await getattr(o.awaitable_attrs, relation.name)) for o in asked])


async def awaitable_attrs_gathered(scope: Scope, relation: Relation) -> Answer:
    asked = await owners(scope, relation)
    found = await asyncio.gather(*(getattr(owner.awaitable_attrs, relation.name) for owner in asked))
    return answer(relation, zip(asked, found, strict=True))


async def included(scope: Scope, relation: Relation) -> Answer:
    found = await REPOSITORY_OF[relation.owner](scope).find(include=[relation.attribute])
    return answer(relation, [(owner, owner.__dict__[relation.name]) for owner in found])


async def in_a_view(scope: Scope, relation: Relation) -> Answer:
    found = await REPOSITORY_OF[relation.owner](scope).find(owner_view(relation), strategy="batched")
    return answer(relation, [(view, getattr(view, relation.name)) for view in found])


async def in_an_eager_view(scope: Scope, relation: Relation) -> Answer:
    found = await REPOSITORY_OF[relation.owner](scope).find(owner_view(relation), strategy="eager")
    return answer(relation, [(view, getattr(view, relation.name)) for view in found])


async def in_views_by_key(scope: Scope, relation: Relation) -> Answer:
    repository = REPOSITORY_OF[relation.owner](scope)
    keys = [key_of(relation.owner, owner) for owner in await repository.find()]
    found = await repository.get_many(keys, owner_view(relation))
    return answer(relation, [(view, getattr(view, relation.name)) for view in found])


async def streamed(scope: Scope, relation: Relation) -> Answer:
    stream = REPOSITORY_OF[relation.owner](scope).stream(chunk_size=4)
    return answer(
        relation, [(owner, await scope.related(owner, relation.attribute)) async for owner in stream]
    )


async def in_streamed_views(scope: Scope, relation: Relation) -> Answer:
    stream = REPOSITORY_OF[relation.owner](scope).stream(owner_view(relation), chunk_size=4)
    return answer(relation, [(view, getattr(view, relation.name)) async for view in stream])


async def fetched_then_related(scope: Scope, relation: Relation) -> Answer:
    asked = await scope.fetch(select(relation.owner))
    return answer(relation, [(owner, await scope.related(owner, relation.attribute)) for owner in asked])


def _fetched_with(option: Any) -> Way:
    async def read(scope: Scope, relation: Relation) -> Answer:
        found = await scope.fetch(select(relation.owner).options(option(relation.attribute)))
        return answer(relation, [(owner, _once(owner.__dict__[relation.name])) for owner in found])

    read.__name__ = f"fetched_with_{option.__name__}"
    return read


def _once(found: Any) -> Any:
    """SQLAlchemy's own select-in loading repeats a child whose pair is linked twice."""
    return list(dict.fromkeys(found)) if isinstance(found, list) else found


WAYS: tuple[Way, ...] = (
    related_in_a_loop,
    related_gathered,
    related_as_view,
    awaitable_attrs_in_a_loop,
    awaitable_attrs_gathered,
    included,
    in_a_view,
    in_an_eager_view,
    in_views_by_key,
    streamed,
    in_streamed_views,
    fetched_then_related,
    *map(_fetched_with, (selectinload, joinedload, subqueryload)),
)
"""All of them."""


@cache
def key_view(cls: type[Any]) -> type[BaseModel]:
    """A view of a class's key."""
    fields: Any = dict.fromkeys(key_names(cls), (int, ...))
    view: type[BaseModel] = create_model(f"{cls.__name__}Key", **fields)
    return view


@cache
def owner_view(relation: Relation) -> type[BaseModel]:
    """A view of an owner's key and of what the relation leads to."""
    target: Any = key_view(relation.target)
    held = list[target] if relation.many else target | None
    fields: Any = dict.fromkeys(key_names(relation.owner), (int, ...)) | {relation.name: (held, ...)}
    view: type[BaseModel] = create_model(f"{relation.owner.__name__}With{relation.name}", **fields)
    return view
