"""Global ids: what a repository type gets from Strawberry's ``relay.Node`` as its base.

::

    @repository_type(AlbumRepository)
    class AlbumType(relay.Node):
        title: auto


    @strawberry.type
    class Query:
        node: relay.Node | None = relay.node()
        nodes: list[relay.Node | None] = relay.node()

An id is made of the type's name and the primary key. Rows are read by it in one statement for each type,
with all that the query selects of them; a row that is not there, or that row criteria hide, is null.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from functools import cached_property, partial
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from pydantic import PydanticSchemaGenerationError, TypeAdapter
from strawberry import relay
from strawberry.annotation import StrawberryAnnotation
from strawberry.relay.types import NodeIDPrivate
from strawberry.types.field import StrawberryField

from batchrepo.errors import DeclarationError, InvalidArgument, NotFound
from batchrepo.integrations.strawberry.operation.scopes import running
from batchrepo.integrations.strawberry.query.lookahead import lookahead_of
from batchrepo.integrations.strawberry.query.planning import local_name
from batchrepo.integrations.strawberry.query.resolving import load_object
from batchrepo.integrations.strawberry.types.members import KEY, repository_type_of
from batchrepo.mapping.keys import key_values
from batchrepo.plan.read import ColumnField
from batchrepo.repository.planned import Planned

if TYPE_CHECKING:
    from collections.abc import Iterable

    from strawberry import Info

    from batchrepo.integrations.strawberry.query.selections import ResolveInfo
    from batchrepo.mapping import EntityInfo

LONGEST = 2_000
"""Characters of a key in an id that is looked at."""


class _Unknown:
    """Stands for a Python type that nobody knows."""


class KeyTexts:
    """Primary keys as texts and back, each key as one text only.

    Args:
        entity: whose keys.
        owner: the class, for messages.

    Raises:
        DeclarationError: a column of the key has values that have no text.
    """

    def __init__(self, entity: EntityInfo, owner: str) -> None:
        self._entity = entity
        self._adapters: list[TypeAdapter[Any]] = []
        for column in entity.key:
            try:
                self._adapters.append(TypeAdapter(column.python_type or _Unknown))
            except PydanticSchemaGenerationError as error:
                raise DeclarationError(
                    f"{owner} is a relay.Node, but values of {entity.name}.{column.name} cannot be put into its id: "
                    f"their Python type is {column.python_type}. Leave relay.Node out."
                ) from error

    def text(self, values: Iterable[Any]) -> str:
        """The text of a key, given as the values of its columns."""
        texts = [_text(adapter, value) for adapter, value in zip(self._adapters, values, strict=True)]
        return texts[0] if len(texts) == 1 else json.dumps(texts, separators=(",", ":"))

    def key(self, text: str) -> Any:
        """The key of a text.

        Raises:
            InvalidArgument: it is the text of no key.
        """
        try:
            texts = [text] if len(self._adapters) == 1 else json.loads(text[:LONGEST])
            values = tuple(
                adapter.validate_strings(one) for adapter, one in zip(self._adapters, texts, strict=True)
            )
            known = self.text(values)
        except (ValueError, TypeError, RecursionError):
            values, known = (), None
        # Another text of the same key, such as 01, is none: an id is made here, or it is damaged.
        if known != text:
            raise InvalidArgument(f"The id holds {text!r:.100}, which is no key of {self._entity.name}.")
        return values[0] if len(values) == 1 else values


def _text(adapter: TypeAdapter[Any], value: Any) -> str:
    dumped = adapter.dump_python(value, mode="json")
    return dumped if isinstance(dumped, str) else json.dumps(dumped)


class IdField(StrawberryField):
    """The global id of a repository type.

    Attributes:
        reads: the columns of the primary key.
        texts: of the keys.
    """

    reads: tuple[ColumnField, ...]
    texts: KeyTexts

    @property
    def is_basic_field(self) -> bool:
        """It is not: it is made of others."""
        return False

    @cached_property
    def resolver(self) -> Any:
        """Gives the id, as graphql-core asks for it."""
        names = tuple(field.name for field in self.reads)
        text = self.texts.text

        def resolve(source: Any, info: ResolveInfo) -> Any:
            values = source.__dict__
            try:
                key = [values[name] for name in names]
            except KeyError:
                return later(source, info)
            return relay.to_base64(info.parent_type.name, text(key))

        async def later(source: Any, info: ResolveInfo) -> Any:
            return resolve(await load_object(source, info), info)

        return resolve

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """The id, where Strawberry asks."""
        return self.resolver(source, info._raw_info)


def make_node(cls: type[Any], entity: EntityInfo) -> None:
    """Give a class with `relay.Node` as its base a global id, and the ways from ids to rows.

    Args:
        cls: before Strawberry makes a type of it.
        entity: whose rows it shows.

    Raises:
        DeclarationError: it says itself what its id is, and that is not the primary key.
    """
    names = [column.name for column in entity.key]
    for name, annotation in inspect.get_annotations(cls).items():
        if is_node_id(annotation):
            if names != [name]:
                raise DeclarationError(
                    f"{cls.__name__}.{name} is a NodeID, but ids are made of the primary key of {entity.name} "
                    f"({', '.join(names)}). Leave the line out: relay.Node is enough."
                )
        elif name == "id":
            raise DeclarationError(
                f"{cls.__name__}.id: a relay.Node has its global id there. Leave the line out, or give the column "
                f"another name in GraphQL."
            )
    field = IdField(python_name="_id", graphql_name="id", description="The Globally Unique ID of this object")
    field.reads = tuple(ColumnField(local_name(column), column.attribute, column) for column in entity.key)
    field.texts = KeyTexts(entity, cls.__name__)
    field.type_annotation = StrawberryAnnotation(relay.GlobalID)
    cls._id = field
    cls.__annotations__["_id"] = relay.GlobalID
    # The field itself is no attribute of the class any more when Strawberry has seen it.
    cls.resolve_id = classmethod(partial(_resolve_id, field))
    cls.resolve_nodes = classmethod(partial(_resolve_nodes, field.texts))


def is_node_id(annotation: Any) -> bool:
    """Whether an attribute is annotated with Strawberry's ``NodeID[...]``."""
    if isinstance(annotation, str):
        return re.match(r"(\w+\.)*NodeID\[", annotation) is not None
    return get_origin(annotation) is Annotated and any(
        isinstance(item, NodeIDPrivate) for item in get_args(annotation)
    )


def _resolve_id(field: IdField, cls: Any, root: Any, **_: Any) -> str:
    values = root.__dict__
    if KEY in values:
        entity = cls.__batchrepo_type__.entity
        return field.texts.text(key_values(entity.name, entity.key, values[KEY]))
    return field.texts.text(values[read.name] for read in field.reads)


def _resolve_nodes(
    texts: KeyTexts, cls: type[Any], *, info: Info, node_ids: Iterable[str], required: bool = False
) -> Any:
    return _read(cls, info, [texts.key(text) for text in node_ids], required)


async def _read(cls: type[Any], info: Info, keys: list[Any], required: bool) -> list[Any]:
    """The objects of keys, with None for those that are not there."""
    kind = repository_type_of(cls)
    assert kind is not None
    raw: Any = info._raw_info
    scope = running(info.field_name).scope
    target: Any = info.schema._schema.get_type(
        info.schema.config.name_converter.from_type(cls.__strawberry_definition__)
    )
    plan = lookahead_of(scope.reading).of_objects(raw, target, raw.field_nodes)
    reads = Planned(scope, kind.repository)
    rows = await asyncio.gather(*(reads.by_key(plan, key) for key in keys))
    if required and None in rows:
        raise NotFound(kind.entity.name, [key for key, row in zip(keys, rows, strict=True) if row is None])
    # The key stays known, for what a resolver of the user's asks of the object later.
    return [
        None if row is None else kind.object({**row, KEY: key}) for key, row in zip(keys, rows, strict=True)
    ]
