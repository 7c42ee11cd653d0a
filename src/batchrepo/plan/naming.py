"""The names that the fields of a view have in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pydantic import BaseModel, RootModel

from batchrepo.plan.annotations import read_type
from batchrepo.plan.pages import item_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

    from batchrepo.plan.read import ReadPlan


def output_name(plan: ReadPlan, name: str) -> str:
    """The name of a field in JSON: its serialization alias, else itself."""
    info = plan.view.model_fields.get(name) if plan.view is not None else None
    return _alias_or(name, info)


def field_name(_plan: ReadPlan, name: str) -> str:
    """The name of a field where views are validated: its own."""
    return name


@dataclass(frozen=True)
class Named:
    """Something of a view that is in its JSON.

    Attributes:
        field: the name of the field, or of the computed field.
        model: the Pydantic model whose fields its JSON has (in an object, a list of them, or a page), or None for
            a value.
        paged: whether they are on a page: its own names (``items``, ``has_next``) are always there.
    """

    field: str
    model: type[BaseModel] | None
    paged: bool = False


@lru_cache(maxsize=1_024)
def names_of(view: type[BaseModel], *, by_alias: bool = True) -> Mapping[str, tuple[Named, ...]]:
    """What a view has under each name in its JSON: one, unless several fields share an alias.

    Args:
        view: a Pydantic model.
        by_alias: whether fields have their (serialization) aliases as names.
    """
    names: dict[str, tuple[Named, ...]] = {}
    for name, named in _all(view, by_alias):
        names[name] = (*names.get(name, ()), named)
    return names


def _all(view: type[BaseModel], by_alias: bool) -> Iterator[tuple[str, Named]]:
    for field, info in view.model_fields.items():
        if not info.exclude:
            name = _alias_or(field, info) if by_alias else field
            yield name, _named(field, info.annotation)
    for field, computed in view.model_computed_fields.items():
        name = computed.alias if by_alias and computed.alias is not None else field
        yield name, _named(field, computed.return_type)


def _alias_or(name: str, info: FieldInfo | None) -> str:
    return name if info is None or info.serialization_alias is None else info.serialization_alias


def _named(field: str, annotation: object) -> Named:
    model = read_type(annotation).model
    item = item_of(model)
    if item is not None:
        model = read_type(item).model
    if model is not None and issubclass(model, RootModel):
        model = None
    return Named(field, model, paged=item is not None)
