"""From a fieldset to what is read for it: the plan of a view with the fields that are asked for, and no others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from batchrepo.plan.fieldsets import check_fields
from batchrepo.plan.naming import names_of
from batchrepo.plan.pages import Page
from batchrepo.plan.pruning import inside, why_whole, with_fields
from batchrepo.plan.read import Include, PageSpec, ReadPlan
from batchrepo.plan.schemas import Definitions

if TYPE_CHECKING:
    from pydantic import BaseModel

    from batchrepo.plan.fieldsets import Fieldset
    from batchrepo.plan.read import Field
    from batchrepo.plan.schemas import Schema


@dataclass(frozen=True)
class Whole:
    """A part that is read whole, though only some of its fields are asked for: these are picked from its JSON.

    Attributes:
        path: the names that lead to it, such as ``artist``; empty for the view itself.
        reason: why it could not be narrowed.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path or 'the view'} is read whole: {self.reason}"


@dataclass(frozen=True, eq=False)
class Narrowed:
    """A view, narrowed to a fieldset.

    Attributes:
        fieldset: what is asked for.
        plan: what is read.
        schema: Pydantic's core schema for a list of what is read.
        whole: the parts that are read whole. Where there are any, the fieldset must be picked from the JSON.
        by_alias: whether fields have their (serialization) aliases as names.
    """

    fieldset: Fieldset
    plan: ReadPlan
    schema: Schema
    whole: tuple[Whole, ...]
    by_alias: bool = True

    def pick(self, value: Any) -> Any:
        """What is asked for of the JSON of a list of the whole view."""
        assert self.plan.view is not None
        return _picked(self.fieldset, value, self.plan.view, self.by_alias)


def _picked(fieldset: Fieldset, value: Any, view: type[BaseModel] | None, by_alias: bool) -> Any:
    """The names of a fieldset in an object, or in each object of a list. Other values stay as they are."""
    if isinstance(value, list):
        return [_picked(fieldset, item, view, by_alias) for item in value]
    if not isinstance(value, dict) or view is None:
        return value
    names = names_of(view, by_alias=by_alias)
    picked: dict[str, Any] = {}
    for name, item in value.items():
        if name in fieldset:
            below, (named, *_) = fieldset[name], names[name]
            if below is None:
                picked[name] = item
            elif named.paged and isinstance(item, dict):
                picked[name] = {**item, "items": _picked(below, item["items"], named.model, by_alias)}
            else:
                picked[name] = _picked(below, item, named.model, by_alias)
    return picked


def narrow(plan: ReadPlan, schema: Schema, fieldset: Fieldset, *, by_alias: bool = True) -> Narrowed:
    """Narrow a view to what is asked for.

    Args:
        plan: of the whole view.
        schema: Pydantic's core schema for a list of the view.
        fieldset: the names that are asked for.
        by_alias: whether fields have their (serialization) aliases as names.

    Raises:
        InvalidFields: the view does not have one of the names.
    """
    view = plan.view
    assert view is not None, "a plan without a view has no names"
    check_fields(fieldset, view, by_alias=by_alias)
    definitions = Definitions(schema)
    narrowing = _Narrowing(definitions, by_alias)
    narrowed, inner = narrowing.around(plan, definitions.inner, view, fieldset, "")
    return Narrowed(fieldset, narrowed, definitions.around(inner), tuple(narrowing.whole), by_alias)


class _Narrowing:
    def __init__(self, definitions: Definitions, by_alias: bool) -> None:
        self.definitions = definitions
        self.by_alias = by_alias
        self.whole: list[Whole] = []

    def around(
        self, plan: ReadPlan, schema: Schema, view: type[BaseModel], fieldset: Fieldset, path: str
    ) -> tuple[ReadPlan, Schema]:
        """Narrow a plan, and its view inside of a schema with lists and the like around it."""
        narrowed = plan

        def change(found: Schema) -> Schema:
            nonlocal narrowed
            narrowed, part = self._view(plan, found, view, fieldset, path)
            return part

        cut = inside(schema, change, self.definitions)
        return narrowed, cut

    def _view(
        self, plan: ReadPlan, schema: Schema, view: type[BaseModel], fieldset: Fieldset, path: str
    ) -> tuple[ReadPlan, Schema]:
        names = names_of(view, by_alias=self.by_alias)
        wanted = {named.field: below for name, below in fieldset.items() for named in names[name]}
        reason = why_whole(schema, view, wanted, self.definitions)
        if reason is not None:
            self.whole.append(Whole(path, reason))
            return plan, schema
        values: dict[str, Schema] = {}
        inner: dict[str, Any] = self.definitions.resolved(schema)["schema"]["fields"]
        read = {field.name: field for field in plan.fields}
        for name, below in wanted.items():
            values[name] = inner[name]["schema"]
            if below is not None:
                part = f"{path}.{name}" if path else name
                field, values[name] = self._below(read.get(name), values[name], below, part)
                if field is not None:
                    read[name] = field
        fields = tuple(read[field.name] for field in plan.fields if field.name in wanted)
        return ReadPlan(plan.entity, fields, plan.view), with_fields(schema, values, self.definitions)

    def _below(
        self, field: Field | None, schema: Schema, fieldset: Fieldset, path: str
    ) -> tuple[Field | None, Schema]:
        match field:
            case Include(page=PageSpec(), plan=ReadPlan(view=view)) if view is not None:
                return self._page(field, schema, view, fieldset, path)
            case Include(plan=ReadPlan(view=view)) if view is not None:
                plan, schema = self.around(field.plan, schema, view, fieldset, path)
                return replace(field, plan=plan), schema
            case _:
                self.whole.append(Whole(path, "it is one value, whose parts are not read from the database"))
                return field, schema

    def _page(
        self, include: Include, schema: Schema, view: type[BaseModel], fieldset: Fieldset, path: str
    ) -> tuple[Field, Schema]:
        """Narrow the items of pages; what a page has besides is always there."""
        plan = include.plan

        def change(found: Schema) -> Schema:
            nonlocal plan
            page = self.definitions.resolved(found)
            reason = why_whole(page, page.get("cls", Page), Page.model_fields, self.definitions)
            if reason is not None:
                self.whole.append(Whole(path, reason))
                return found
            fields: dict[str, Any] = page["schema"]["fields"]
            values = {name: field["schema"] for name, field in fields.items()}
            plan, values["items"] = self.around(plan, values["items"], view, fieldset, path)
            return with_fields(found, values, self.definitions)

        cut = inside(schema, change, self.definitions)
        return replace(include, plan=plan), cut
