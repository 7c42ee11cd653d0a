"""Pydantic views made for a relation: small ones and whole ones, and the owner's view that holds them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic import BaseModel, create_model
from sqlalchemy.orm import ColumnProperty, class_mapper

from batchrepo.testing.contract.cases import RelationCase, key_properties
from batchrepo.testing.contract.models.base import UtcDateTime


def small_view(case: RelationCase) -> type[BaseModel]:
    """A view of the target's key, of what the relation orders by, and of one more column."""
    ordering = case.order or ()
    chosen = [prop.key for prop in key_properties(case.target)]
    chosen += [name for name in ordering if name not in chosen]
    chosen += [prop.key for prop in case.target.column_attrs if prop.key not in chosen][:1]
    return _view(f"{case}Small", case, chosen)


def whole_view(case: RelationCase) -> type[BaseModel]:
    """A view of all columns of the target: deferred ones and column properties too."""
    return _view(f"{case}Whole", case, [prop.key for prop in case.target.column_attrs])


def owner_view(case: RelationCase, target_view: type[BaseModel]) -> type[BaseModel]:
    """A view of the owner's key and of the relation, which holds views of the target.

    A column of the owner that belongs to the key is a field of the view under its own name.
    """
    held: Any = list[target_view] if case.is_list else target_view | None  # type: ignore[valid-type]
    fields = {prop.key: (_python_type(prop), ...) for prop in key_properties(class_mapper(case.owner))}
    fields[case.key] = (held, ...)
    return _create(f"{case}Owner", fields)


def _view(name: str, case: RelationCase, attributes: list[str]) -> type[BaseModel]:
    properties = case.target.column_attrs
    return _create(name, {key: (_python_type(properties[key]), ...) for key in attributes})


def _create(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    model: type[BaseModel] = create_model(name.replace(".", "_"), **fields)
    return model


def _python_type(prop: ColumnProperty[Any]) -> Any:
    expression: Any = prop.expression
    kind: Any = dt.datetime if isinstance(expression.type, UtcDateTime) else expression.type.python_type
    return kind if getattr(expression, "nullable", True) is False else kind | None
