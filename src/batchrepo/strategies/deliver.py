"""From dicts to views, or to JSON bytes."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic_core import to_json

from batchrepo.plan.annotations import read_type, same_type
from batchrepo.plan.markers import Marker
from batchrepo.plan.read import AggregateField, ColumnField, FetchedField, FlatField, Include

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.plan.read import Field, ReadPlan

V = TypeVar("V", bound=BaseModel)

_HARMLESS_SETTINGS = {
    "alias_generator", "extra", "from_attributes", "frozen", "json_schema_extra", "populate_by_name", "title",
    "use_attribute_docstrings", "validate_by_alias", "validate_by_name",
}  # fmt: skip
"""Settings of a Pydantic model that change nothing about the JSON of values that come from typed columns."""


class Delivery(Generic[V]):
    """How the rows of a plan become views.

    Args:
        view: the Pydantic model.
        plan: what is read for it.
    """

    def __init__(self, view: type[V], plan: ReadPlan) -> None:
        self.view = view
        self.plan = plan

    @cached_property
    def _list(self) -> TypeAdapter[list[V]]:
        return TypeAdapter(list[self.view])  # type: ignore[name-defined]

    def views(self, dicts: Sequence[dict[str, Any]]) -> list[V]:
        """Validate dicts that are keyed by field names.

        Raises:
            pydantic.ValidationError: a value does not fit; the start-up checks leave this to validators and
                constraints of the view.
        """
        return self._list.validate_python(dicts, by_name=True, by_alias=False)

    def json(self, dicts: list[dict[str, Any]], *, by_alias: bool) -> bytes:
        """A JSON array: the same bytes that Pydantic gives for the validated views.

        Args:
            dicts: keyed by output names where the plan is `plain`, else by field names.
            by_alias: whether fields have their (serialization) aliases as names.
        """
        if self.plain:
            return to_json(dicts, inf_nan_mode="null")
        return self._list.dump_json(self.views(dicts), by_alias=by_alias)

    @cached_property
    def plain(self) -> bool:
        """Whether the values need neither validation nor conversion to be the view's JSON."""
        return all(_is_plain(plan) for plan in self.plan.walk())


def output_name(plan: ReadPlan, name: str) -> str:
    """The name of a field in JSON: its serialization alias, else itself."""
    info = plan.view.model_fields.get(name) if plan.view is not None else None
    return (info.serialization_alias or name) if info is not None else name


def field_name(_plan: ReadPlan, name: str) -> str:
    """The name of a field where views are validated: its own."""
    return name


def _is_plain(plan: ReadPlan) -> bool:
    view = plan.view
    if view is None:
        return False
    decorators = view.__pydantic_decorators__
    decorated = (
        decorators.validators, decorators.field_validators, decorators.root_validators, decorators.model_validators,
        decorators.field_serializers, decorators.model_serializers, decorators.computed_fields,
    )  # fmt: skip
    if any(decorated) or view.model_post_init is not BaseModel.model_post_init:
        return False
    if "__get_pydantic_core_schema__" in _own_names(view) or "__init__" in _own_names(view):
        return False
    settings: ConfigDict = view.model_config
    if not set(settings) <= _HARMLESS_SETTINGS or settings.get("extra") == "allow":
        return False
    by_name = {f.name: f for f in plan.fields}
    return set(by_name) == set(view.model_fields) and all(_is_plain_field(view, f) for f in plan.fields)


def _is_plain_field(view: type[BaseModel], field: Field) -> bool:
    info = view.model_fields[field.name]
    if info.exclude or any(not isinstance(item, Marker) for item in info.metadata):
        return False
    declared = read_type(info.annotation)
    match field:
        case Include():
            # Only lists stay lists: sets lose duplicates and order.
            return declared.model is not None and not str(info.annotation).startswith(("set", "frozenset"))
        case ColumnField(column=column) | FlatField(column=column):
            return column is not None and not declared.many and same_type(declared.item, column.python_type)
        case AggregateField(aggregate=aggregate):
            kinds = {"count": int, "exists": bool, "average": float}
            return declared.item is kinds.get(aggregate.function, ())
        case FetchedField():
            return False


def _own_names(view: type[BaseModel]) -> set[str]:
    return {name for base in view.__mro__ if base not in (BaseModel, object) for name in vars(base)}
