"""From dicts to views, or to JSON bytes."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter
from pydantic_core import SchemaSerializer, SchemaValidator, to_json

from batchrepo.plan.naming import output_name
from batchrepo.strategies.collector import making_many
from batchrepo.strategies.plain import Plain, how_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.plan.narrowing import Narrowed
    from batchrepo.plan.read import ReadPlan

V = TypeVar("V", bound=BaseModel)


class Delivery(Generic[V]):
    """How the rows of a plan become views.

    Args:
        view: the Pydantic model.
        plan: what is read for it.
        narrowed: how the view is narrowed to a fieldset; what is delivered is JSON then, not views.
    """

    def __init__(self, view: type[V], plan: ReadPlan, narrowed: Narrowed | None = None) -> None:
        self.view = view
        self.plan = plan
        self.narrowed = narrowed

    @cached_property
    def _list(self) -> TypeAdapter[list[V]]:
        return TypeAdapter(list[self.view])  # type: ignore[name-defined]

    @cached_property
    def schema(self) -> Any:
        """Pydantic's core schema for a list of what is delivered."""
        return self._list.core_schema if self.narrowed is None else self.narrowed.schema

    @cached_property
    def _validator(self) -> Any:
        return self._list.validator if self.narrowed is None else SchemaValidator(self.schema)

    @cached_property
    def _serializer(self) -> SchemaSerializer:
        return self._list.serializer if self.narrowed is None else SchemaSerializer(self.schema)

    def views(self, dicts: Sequence[dict[str, Any]]) -> list[V]:
        """Validate dicts that are keyed by field names.

        Raises:
            pydantic.ValidationError: a value does not fit; the start-up checks leave this to validators and
                constraints of the view.
        """
        assert self.narrowed is None, "a view of which only some fields were read is no view"
        with making_many(len(dicts)):
            return self._list.validate_python(dicts, by_name=True, by_alias=False)

    def decoded(self, text: bytes) -> list[V]:
        """The views of a JSON array whose objects have the names of the fields, as a database wrote it of plain views."""
        return self._list.validate_json(text, by_name=True, by_alias=False)

    def json(self, dicts: list[dict[str, Any]], *, by_alias: bool) -> bytes:
        """A JSON array: the same bytes that Pydantic gives for the validated views.

        Of a narrowed view it is what these bytes would have for the fields that are asked for.

        Args:
            dicts: keyed by output names where the plan is `plain`, else by field names.
            by_alias: whether fields have their (serialization) aliases as names.
        """
        how = self._how_plain
        if self.plain and isinstance(how, Plain):
            text = to_json(dicts, inf_nan_mode="null")
            if not (how.decimals and (b'"NaN"' in text or b'Infinity"' in text)):
                return text
        with making_many(len(dicts)):
            values = self._validator.validate_python(dicts, by_name=True, by_alias=False)
        text = self._serializer.to_json(values, by_alias=by_alias)
        if self.narrowed is None or not self.narrowed.whole:
            return text
        # Not Pydantic's parser: it refuses some depths that its writer does not.
        return to_json(self.narrowed.pick(json.loads(text)), inf_nan_mode="constants")

    @property
    def why_not_plain(self) -> str | None:
        """Why the values of the rows need validation or conversion to be the view's JSON; None if they are it."""
        return None if isinstance(self._how_plain, Plain) else self._how_plain

    @cached_property
    def plain(self) -> bool:
        """Whether dicts that are keyed by output names are the JSON."""
        how = self._how_plain
        if not isinstance(how, Plain):
            return False
        # Dicts that are keyed by aliases could not be validated after all.
        return not how.decimals or all(
            output_name(plan, field.name) == field.name for plan in self.plan.walk() for field in plan.fields
        )

    @cached_property
    def _how_plain(self) -> Plain | str:
        if self.narrowed is not None and self.narrowed.whole:
            return str(self.narrowed.whole[0])
        return how_plain(self.plan, self.schema)
