"""The endpoints of a resource that read: a list, one, many by key, a count, and what is related to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, create_model

from batchrepo.integrations.fastapi.endpoints import Endpoint
from batchrepo.integrations.fastapi.parameters import (
    Key,
    fields_parameter,
    numbered_parameters,
    page_parameters,
    total_parameter,
)
from batchrepo.plan.fieldsets import Fieldset, parse_fields
from batchrepo.plan.pages import NumberedPage, Page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.plan.pages import JsonPage, Total
    from batchrepo.repository import Repository


class Count(BaseModel):
    """How many rows there are."""

    count: int = Field(description="All rows that meet the filters.", examples=[42])


@dataclass(frozen=True)
class Readable:
    """What the reading endpoints of a resource have in common.

    Attributes:
        repository: what is read.
        entity: of its rows.
        singular: the name of a row in the names of operations, such as ``album``.
        plural: the name of the rows there, such as ``albums``.
        totals: how rows may be counted, by the name that a client gives.
    """

    repository: type[Repository[Any]]
    entity: EntityInfo
    singular: str
    plural: str
    totals: Mapping[str, Total]

    @property
    def key(self) -> Key:
        """The primary key, in paths and queries."""
        return Key(self.entity)


def list_endpoint(of: Readable, view: type[BaseModel]) -> Endpoint:
    """All rows, page by page, from a cursor."""
    repository = of.repository

    async def answer(rows: Repository[Any], given: Mapping[str, Any]) -> JsonPage:
        total = of.totals.get(given["total"])
        return await rows.page_json(view, **_page(given), total=total, fields=given["fields"])

    return Endpoint(
        "",
        f"list_{of.plural}",
        f"List {_words(of.plural)}",
        "A page is found by its cursor, as fast at the end of the list as at its start.",
        Page[view],  # type: ignore[valid-type]
        [
            *page_parameters(repository.page_size, repository.max_page_size),
            total_parameter(of.totals),
            fields_parameter(view),
        ],
        answer,
        problems=(400,),
        paged=True,
    )


def numbered_endpoint(of: Readable, view: type[BaseModel]) -> Endpoint:
    """All rows, page by page, by number."""
    repository = of.repository

    async def answer(rows: Repository[Any], given: Mapping[str, Any]) -> NumberedPage[Any]:
        return await rows.numbered_page(view, number=given["page"] or 1, size=given["size"])

    return Endpoint(
        "",
        f"list_{of.plural}",
        f"List {_words(of.plural)}",
        "",
        NumberedPage[view],  # type: ignore[valid-type]
        numbered_parameters(repository.page_size, repository.max_page_size),
        answer,
        problems=(400,),
        paged=True,
    )


def one_endpoint(of: Readable, view: type[BaseModel]) -> Endpoint:
    """One row, by its key."""
    key = of.key

    async def answer(rows: Repository[Any], given: Mapping[str, Any]) -> bytes:
        return await rows.get_json(key.read(given), view, fields=given["fields"])

    return Endpoint(
        key.path,
        f"get_{of.singular}",
        f"Get one {_words(of.singular)}",
        "",
        view,
        [*key.parameters(), fields_parameter(view)],
        answer,
        problems=(400, 404),
    )


def many_endpoint(of: Readable, view: type[BaseModel]) -> Endpoint:
    """Many rows, by their keys."""
    key = of.key

    async def answer(rows: Repository[Any], given: Mapping[str, Any]) -> bytes:
        return await rows.get_many_json(key.read_many(given), view, fields=given["fields"])

    return Endpoint(
        "/by-ids",
        f"get_many_{of.plural}",
        f"Get many {_words(of.plural)}",
        "In the order that they were asked for in, as often as they were. One that does not exist is an error, "
        "which names all that do not.",
        list[view],  # type: ignore[valid-type]
        [*key.repeated(of.repository.max_page_size), fields_parameter(view)],
        answer,
        problems=(400, 404),
    )


def count_endpoint(of: Readable) -> Endpoint:
    """How many rows there are."""

    async def answer(rows: Repository[Any], _given: Mapping[str, Any]) -> bytes:
        return b'{"count":%d}' % await rows.count()

    return Endpoint(
        "/count",
        f"count_{of.plural}",
        f"Count {_words(of.plural)}",
        "",
        Count,
        [],
        answer,
        problems=(400,),
    )


def related_list_endpoint(
    of: Readable, name: str, relation: RelationInfo, view: type[BaseModel], target: type[Repository[Any]]
) -> Endpoint:
    """What a relation of one row leads to, page by page."""
    key = of.key
    attribute = relation.attribute

    async def answer(rows: Repository[Any], given: Mapping[str, Any]) -> JsonPage:
        total: Any = given["total"]
        return await rows.related_page_json(
            key.read(given), attribute, view, **_page(given), total=total, fields=given["fields"]
        )

    return Endpoint(
        f"{key.path}/{name}",
        f"list_{of.singular}_{_slug(name)}",
        f"List the {_words(name)} of one {_words(of.singular)}",
        f"Without any, the list is empty; without such a {_words(of.singular)} it is an error.",
        Page[view],  # type: ignore[valid-type]
        [
            *key.parameters(),
            *page_parameters(target.page_size, target.max_page_size),
            total_parameter(("exact",)),
            fields_parameter(view),
        ],
        answer,
        problems=(400, 404),
        paged=True,
    )


def related_one_endpoint(of: Readable, name: str, relation: RelationInfo, view: type[BaseModel]) -> Endpoint:
    """The one row that a relation of one row leads to."""
    key = of.key
    # The row with nothing but what the relation leads to, so that both are one read.
    fields: dict[str, Any] = {relation.name: (view | None, ...)}
    around = create_model(f"{of.entity.name}{view.__name__}", **fields)
    before = len(f'{{"{relation.name}":')

    async def answer(rows: Repository[Any], given: Mapping[str, Any]) -> bytes:
        fields = given["fields"]
        if fields is not None:
            fields = Fieldset({relation.name: parse_fields(fields)})
        return (await rows.get_json(key.read(given), around, fields=fields))[before:-1]

    return Endpoint(
        f"{key.path}/{name}",
        f"get_{of.singular}_{_slug(name)}",
        f"Get the {_words(name)} of one {_words(of.singular)}",
        f"Without one, the answer is `null`; without such a {_words(of.singular)} it is an error.",
        view | None,
        [*key.parameters(), fields_parameter(view)],
        answer,
        problems=(400, 404),
    )


def _page(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in ("first", "after", "last", "before")}


def _words(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")


def _slug(name: str) -> str:
    return name.replace("-", "_")
