"""From dicts to views, or to JSON bytes."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_json

from batchrepo.strategies.plain import Plain, how_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.plan.read import ReadPlan

V = TypeVar("V", bound=BaseModel)


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
        plain = self._plainness
        if plain is not None:
            text = to_json(dicts, inf_nan_mode="null")
            if not (plain.decimals and (b'"NaN"' in text or b'Infinity"' in text)):
                return text
        return self._list.dump_json(self.views(dicts), by_alias=by_alias)

    @property
    def plain(self) -> bool:
        """Whether the values need neither validation nor conversion to be the view's JSON."""
        return self._plainness is not None

    @cached_property
    def _plainness(self) -> Plain | None:
        found = how_plain(self.plan, self._list.core_schema)
        if (
            found is not None
            and found.decimals
            and any(
                output_name(plan, field.name) != field.name
                for plan in self.plan.walk()
                for field in plan.fields
            )
        ):
            return None  # dicts that are keyed by aliases could not be validated after all
        return found


def output_name(plan: ReadPlan, name: str) -> str:
    """The name of a field in JSON: its serialization alias, else itself."""
    info = plan.view.model_fields.get(name) if plan.view is not None else None
    return (info.serialization_alias or name) if info is not None else name


def field_name(_plan: ReadPlan, name: str) -> str:
    """The name of a field where views are validated: its own."""
    return name
