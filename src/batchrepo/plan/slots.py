"""What a field of a view says of itself: its type, its marker, its aliases, and who converts its value."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pydantic import AliasChoices, AliasPath

from batchrepo.declare.markers import ColumnMarker, IncludeMarker, Marker, column, include, unmapped
from batchrepo.errors import DeclarationError
from batchrepo.plan.annotations import FieldType, Settings, read_type, settings_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from batchrepo.mapping import EntityInfo


@dataclass(frozen=True)
class Slot:
    """A field of a view, while it is resolved.

    Attributes:
        where: view and field, for messages.
        name: of the field.
        info: as Pydantic has it.
        declared: its type.
        settings: for conversions.
        checked: whether the type must fit what is read; not where the user's own code converts it first.
    """

    where: str
    name: str
    info: FieldInfo
    declared: FieldType
    settings: Settings
    checked: bool


def read_slot(view: type[BaseModel], name: str, info: FieldInfo) -> Slot:
    """The slot of a field of `view`."""
    declared = read_type(info.annotation, info.metadata)
    settings = settings_of(view, declared.metadata)
    checked = not _has_validator(view, name, declared)
    return Slot(f"{view.__name__}.{name}", name, info, declared, settings, checked)


def marker_of(slot: Slot) -> Marker | None:
    """The marker of a field, wherever in its type it stands.

    Raises:
        DeclarationError: there are several, or one is not where markers belong.
    """
    markers = [item for item in slot.declared.metadata if isinstance(item, Marker)]
    if len(markers) > 1:
        raise DeclarationError(f"{slot.where} has {len(markers)} markers. Expected at most one.")
    if isinstance(slot.info.default, Marker):
        raise DeclarationError(
            f"{slot.where} has a marker as its default. Markers go into the type: Annotated[..., column(...)]."
        )
    for function in (column, include, unmapped):
        if any(item is function for item in slot.declared.metadata):
            raise DeclarationError(
                f"{slot.where} has the function {function.__name__} itself as a marker. Call it: {function.__name__}(...)."
            )
    return markers[0] if markers else None


def alias_paths(info: FieldInfo) -> Iterator[tuple[str, ...]]:
    """The names that a field's validation alias stands for."""
    alias = info.validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    for choice in choices:
        if isinstance(choice, str):
            yield (choice,)
        elif isinstance(choice, AliasPath) and all(isinstance(step, str) for step in choice.path):
            yield tuple(str(step) for step in choice.path)


def unmarked_paths(view: type[BaseModel]) -> list[list[tuple[str, ...]]]:
    """Of each field without a marker the names, or paths of names, by which it may be found: its own and its aliases."""
    return [
        [(name,), *alias_paths(info)]
        for name, info in view.model_fields.items()
        if not any(isinstance(item, Marker) for item in read_type(info.annotation, info.metadata).metadata)
    ]


def _has_validator(view: type[BaseModel], name: str, declared: FieldType) -> bool:
    """Whether the user's own code turns the read value into something else first."""
    decorators = view.__pydantic_decorators__
    own = any(
        name in d.info.fields or "*" in d.info.fields
        for d in decorators.field_validators.values()
        if d.info.mode in ("before", "wrap", "plain")
    )
    wrapping = any(
        type(item).__name__ in ("BeforeValidator", "WrapValidator", "PlainValidator")
        for item in declared.metadata
    )
    root = any(d.info.mode in ("before", "wrap") for d in decorators.model_validators.values())
    return own or wrapping or root


def affinity(view: type[BaseModel], entity: EntityInfo, computed: Collection[str]) -> float:
    """How much the fields of a view look as if they were meant for an entity.

    Args:
        view: a view that fits no entity.
        entity: one that it may have been meant for.
        computed: the names of its computed attributes.
    """
    names = {*map(str, entity.mapper.all_orm_descriptors.keys()), *computed}
    return sum(_field_affinity(name, info, entity, names) for name, info in view.model_fields.items())


def _field_affinity(name: str, info: FieldInfo, entity: EntityInfo, names: Collection[str]) -> float:
    for item in read_type(info.annotation, info.metadata).metadata:
        if isinstance(item, ColumnMarker | IncludeMarker):
            first = item.path[:1] if isinstance(item, ColumnMarker) else (item.relation,)
            return float(any(getattr(part, "class_", None) is entity.cls for part in first))
    aliases = [path[0] for path in alias_paths(info)]
    if name in names or any(alias in names for alias in aliases):
        return 1
    return 0.5 if get_close_matches(name, names, n=1) else 0
