"""What clients send to be written: models, checked against the entity, and rows that are wrong by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import sqlalchemy as sa
from fastapi import Body
from pydantic import BaseModel, ValidationError, WrapValidator, create_model
from pydantic_core import to_jsonable_python

from batchrepo.declare.criteria import Match
from batchrepo.declare.filter_values import example_of
from batchrepo.errors import DeclarationError, InvalidArgument
from batchrepo.integrations.fastapi.parameters import injected
from batchrepo.mapping.entity import attribute_owner, shown
from batchrepo.writing.rows.columns import write_columns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from inspect import Parameter

    from batchrepo.declare.repository_info import RepositoryInfo
    from batchrepo.integrations.fastapi.parameters import Key
    from batchrepo.writing.rows.columns import WriteColumns

BODY = "body"
"""The argument of an endpoint that is the body of the request."""


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A row of a body that its model refuses.

    Attributes:
        errors: what Pydantic says of it.
    """

    errors: list[Any]

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields that are wrong."""
        return tuple(dict.fromkeys(str(error["loc"][0]) for error in self.errors if error["loc"]))

    @property
    def message(self) -> str:
        """What is wrong, for people."""
        told = [(".".join(map(str, error["loc"])), error["msg"]) for error in self.errors]
        return "; ".join(f"{place}: {what}" if place else what for place, what in told)


def _kept(value: Any, validate: Any) -> Any:
    try:
        return validate(value)
    except ValidationError as error:
        return InvalidRow(list(error.errors(include_url=False)))


@dataclass(frozen=True)
class Bodies:
    """The models of what clients send.

    Attributes:
        columns: what may be written.
        key: the primary key in paths and rows.
        create: of a new row, if there may be new ones.
        update: of a row's new values, if rows may be changed.
    """

    columns: WriteColumns
    key: Key
    create: type[BaseModel] | None
    update: type[BaseModel] | None

    @property
    def version(self) -> str | None:
        """The attribute with the row's version."""
        return None if self.columns.version is None else self.columns.version.name

    @property
    def names_keys(self) -> bool:
        """Whether a new row says its key itself."""
        return self.create is not None and set(self.columns.entity.key_names) <= set(self.create.model_fields)

    def new(self, body: BaseModel) -> dict[str, Any]:
        """The values of a new row: what the client sent, and what the model has for the rest."""
        return {name: self._plain(body, name) for name in type(body).model_fields}

    def sent(self, body: BaseModel) -> dict[str, Any]:
        """Exactly what the client sent; null is None."""
        return {
            name: self._plain(body, name) for name in type(body).model_fields if name in body.model_fields_set
        }

    def _plain(self, body: BaseModel, name: str) -> Any:
        value = getattr(body, name)
        # What a JSON column takes; others take the value as it is.
        return to_jsonable_python(value) if isinstance(self.columns.columns[name].type, sa.JSON) else value

    def changed_row(self, required_version: bool) -> type[BaseModel]:
        """The model of one row among several to change: its key, and what is new.

        Args:
            required_version: whether the row must say the version that it was read with.
        """
        assert self.update is not None
        fields: dict[str, Any] = {column.name: (kind, ...) for column, kind in self.key.types.items()}
        version = self.columns.version
        if version is not None and (required_version or version.name not in self.update.model_fields):
            kind: Any = version.type.python_type
            fields[version.name] = (kind, ...) if required_version else (kind | None, None)
        return create_model(f"{self.update.__name__}Row", __base__=self.update, **fields)


def read_bodies(where: str, info: RepositoryInfo, key: Key, create: Any, update: Any) -> Bodies:
    """Check the models of a resource.

    Raises:
        DeclarationError: one is no model, or has fields that cannot be written, or lacks some that every row needs.
    """
    try:
        columns = write_columns(info.entity)
    except InvalidArgument as error:
        raise DeclarationError(f"{where}: {error}") from error
    stamped = {
        attribute_owner(criterion.attribute)[1] for criterion in info.criteria if isinstance(criterion, Match)
    }
    if create is not None:
        _check(f"{where}: create=", create, columns)
        lacking = sorted(columns.required - set(create.model_fields) - stamped)
        if lacking:
            raise DeclarationError(
                f"{where}: create={create.__name__} has no {', '.join(lacking)}, without which no row of "
                f"{info.entity.name} can be inserted: add the field, or give the column a default."
            )
    if update is not None:
        _check(f"{where}: update=", update, columns)
        keys = [name for name in info.entity.key_names if name in update.model_fields]
        if keys:
            raise DeclarationError(
                f"{where}: update={update.__name__} has {', '.join(keys)}, the key of {info.entity.name}, which the path "
                f"says. Leave it out."
            )
    return Bodies(columns, key, create, update)


def _check(where: str, model: Any, columns: WriteColumns) -> None:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise DeclarationError(f"{where} expects a Pydantic model, such as AlbumCreate; got {shown(model)}.")
    if model.model_config.get("extra") == "allow":
        raise DeclarationError(
            f"{where}{model.__name__} takes any field (extra='allow'). Name those that it takes."
        )
    for name in model.model_fields:
        try:
            columns.named(name, f"{where}{model.__name__}")
        except InvalidArgument as error:
            raise DeclarationError(str(error)) from error


def one_body(model: type[BaseModel]) -> Parameter:
    """A request body that is one row."""
    return injected(BODY, Annotated[model, Body(**_examples(_example(model)))])


def many_bodies(model: type[BaseModel], most: int) -> Parameter:
    """A request body of several rows; those that the model refuses come as `InvalidRow`."""
    example = _example(model)
    row: Any = Annotated[model, WrapValidator(_kept)]
    marker = Body(min_length=1, max_length=most, **_examples(None if example is None else [example]))
    return injected(BODY, Annotated[list[row], marker])


def _examples(example: Any) -> Mapping[str, Any]:
    return {} if example is None else {"examples": [example]}


def _example(model: type[BaseModel]) -> Any:
    """A body as an example; None where the model has one itself, or none can be made up."""
    extra = model.model_config.get("json_schema_extra")
    if isinstance(extra, dict) and ("examples" in extra or "example" in extra):
        return None
    made: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        kind: Any = field.annotation
        found = field.examples[0] if field.examples else 1 if kind is int else example_of(kind)
        if found is not None:
            made[field.alias or name] = found
    try:
        model.model_validate(made)
    except ValidationError:
        return None
    return to_jsonable_python(made) or None
