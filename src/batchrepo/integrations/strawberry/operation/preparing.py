"""Shorter ways through a schema: fields that need nothing of Strawberry's resolvers are asked directly."""

from __future__ import annotations

import inspect
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from graphql import GraphQLObjectType

from batchrepo.integrations.strawberry.operation.scopes import subscribing
from batchrepo.integrations.strawberry.passing.executor import passing
from batchrepo.integrations.strawberry.query.selections import DEFINITION
from batchrepo.integrations.strawberry.roots.fields import RootField
from batchrepo.integrations.strawberry.types.fields import RepositoryField
from batchrepo.integrations.strawberry.types.nodes import IdField

if TYPE_CHECKING:
    from collections.abc import Callable

    from strawberry import Schema

_prepared: WeakSet[Any] = WeakSet()


def prepare(schema: Schema) -> None:
    """Let graphql-core call our resolvers itself, hand on what needs no visit, and give events scopes; once a schema.

    Strawberry's resolvers convert arguments, make an ``Info`` and go through permissions and extensions. Fields
    with permissions, extensions, exception handlers or a resolver of one's own keep theirs.
    """
    if schema in _prepared:
        return
    _prepared.add(schema)
    schema.execution_context_class = passing(schema)
    subscription = schema._schema.subscription_type
    for field in subscription.fields.values() if subscription is not None else ():
        if field.subscribe is not None:
            field.subscribe = _with_scopes(field.subscribe)
    if schema.schema_converter.exception_handlers:
        return
    for named in schema._schema.type_map.values():
        if isinstance(named, GraphQLObjectType):
            for field in named.fields.values():
                definition = (field.extensions or {}).get(DEFINITION)
                if not isinstance(definition, RepositoryField | RootField | IdField):
                    continue
                if isinstance(definition, RootField) and not definition.direct:
                    continue
                if not definition.extensions and definition.base_resolver is None:
                    field.resolve = definition.resolver


def _with_scopes(subscribe: Callable[..., Any]) -> Callable[..., Any]:
    async def subscribed(source: Any, info: Any, **arguments: Any) -> Any:
        scopes = subscribing.get()
        # Permissions are asked here, which may read.
        async with scopes.of_part() if scopes is not None else nullcontext():
            events = subscribe(source, info, **arguments)
            if inspect.isawaitable(events):
                events = await events
        if scopes is None or not hasattr(events, "__aiter__"):
            return events
        return scopes.events(aiter(events))

    return subscribed
