"""GraphQL types over the store that two sites share: every shape of relation, computed attributes, own resolvers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import strawberry
from sqlalchemy import true
from strawberry import auto

from batchrepo import Database, predicate
from batchrepo.integrations.strawberry import (
    Connection,
    ScopeExtension,
    connection,
    field,
    many,
    one,
    repository_type,
    scope_of,
    to_type,
)
from batchrepo.integrations.strawberry.limits.limits import Limits
from tests.criteria import repositories as declared
from tests.criteria.models import Page
from tests.criteria.repositories import (
    BadgeRepository,
    ChapterRepository,
    Context,
    LabelRepository,
    NoteRepository,
    PartRepository,
    PictureRepository,
    RemarkRepository,
)


@dataclass(frozen=True)
class Reader(Context):
    """Who sees a site, and of its pages those of some size alone."""

    least: int | None = None


def of_size(reader: Reader) -> Any:
    return true() if reader.least is None else Page.size >= reader.least


class PageRepository(declared.PageRepository):
    """Pages by their size: several are equal, some have none."""

    criteria = (*declared.PageRepository.criteria, predicate(of_size))
    default_order = (Page.size.desc().nulls_last(), Page.title)
    page_size = 3
    max_page_size = 2_000


class MemberRepository(declared.MemberRepository):
    """As many on a page as a test wants."""

    max_page_size = 2_000


REPOSITORIES = (
    MemberRepository,
    BadgeRepository,
    PageRepository,
    LabelRepository,
    RemarkRepository,
    PartRepository,
    PictureRepository,
    ChapterRepository,
    NoteRepository,
)


@repository_type(MemberRepository)
class MemberType:
    id: auto
    name: auto
    page_count: auto
    pages_read: auto
    read_size: auto
    mentor: MemberType | None
    pupils: list[MemberType]
    pages: Connection[PageType]
    badge: BadgeType | None
    read: Connection[PageType] | None
    first_read: list[PageType]

    @field(requires=("id", "name"))
    def title(self) -> str:
        return f"{self.id}/{self.name}"

    @field(requires=("id",))
    async def again(self) -> MemberType:
        """The same row, of which only the key is known."""
        return to_type(MemberType, self.id)

    @field(requires=("id",))
    async def own_pages(self, info: strawberry.Info) -> list[PageType]:
        """Entities that a resolver of one's own has read."""
        found = await PageRepository(scope_of(info)).find(Page.author_id == self.id, order_by=Page.id)
        return [to_type(PageType, page) for page in found]


@repository_type(BadgeRepository)
class BadgeType:
    id: auto
    member: MemberType | None


@repository_type(PageRepository)
class PageType:
    id: auto
    title: auto
    size: auto
    body: auto
    author: MemberType | None
    labels: Connection[LabelType]
    readers: list[MemberType]
    remarks: Connection[RemarkType]
    parts: list[PartType]
    chapters: Connection[ChapterType]
    number_of_remarks: auto
    good_remarks: auto
    has_remarks: auto
    stars: auto
    least: auto
    most: auto
    mean: auto
    two_remarks: list[RemarkType]
    last_remark: RemarkType | None
    first_remark: RemarkType | None
    label_count: auto
    one_label: list[LabelType]
    by_subquery: auto
    remark_count: auto
    best: auto
    asked: str | None


@repository_type(LabelRepository)
class LabelType:
    id: auto
    name: auto
    pages: list[PageType]


@repository_type(RemarkRepository)
class RemarkType:
    id: auto
    stars: auto
    page: PageType | None


@repository_type(PartRepository)
class PartType:
    id: auto
    kind: auto
    page: PageType | None


@repository_type(ChapterRepository)
class ChapterType:
    page_id: auto
    number: auto
    note_count: auto
    page: PageType | None
    notes: Connection[NoteType]
    first_notes: list[NoteType]


@repository_type(NoteRepository)
class NoteType:
    id: auto
    chapter: ChapterType | None


@strawberry.type
class Query:
    page: PageType | None = one()
    required_page: PageType = one()
    member: MemberType | None = one()
    chapter: ChapterType | None = one()
    pages: Connection[PageType] = connection()
    some_members: Connection[MemberType] | None = connection()
    all_members: list[MemberType] = many()
    all_pages: list[PageType] = many()
    all_chapters: list[ChapterType] = many()

    @strawberry.field
    def members_of(self, ids: list[int]) -> list[MemberType | None]:
        return [to_type(MemberType, key) for key in ids]


ANY_SIZE = Limits(depth=None, breadth=None, fields=None, aliases=None, rows=None)
"""No limit: generated documents are small, and counts are for any number of parents."""


def reader_of(given: Any) -> Reader:
    """The context of the scope; that of GraphQL may be the site alone."""
    return given if isinstance(given, Reader) else Reader(given)


def make_schema(database: Database, **options: Any) -> strawberry.Schema:
    """The schema; ``await schema.execute(query, context_value=1)`` reads what site 1 sees."""
    return strawberry.Schema(
        Query,
        extensions=[
            lambda: ScopeExtension(database, context=reader_of, limits=ANY_SIZE, **options),
        ],
    )
