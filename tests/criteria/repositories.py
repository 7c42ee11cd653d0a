"""Repositories of the store, each with the criterion that a scope sees the rows of its site."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from batchrepo import (
    Repository,
    any_of,
    average,
    batched,
    between,
    column,
    contains,
    count,
    earliest,
    eq,
    exists,
    expression,
    fetched,
    ge,
    icontains,
    is_null,
    latest,
    match,
    maximum,
    minimum,
    ne,
    startswith,
    top,
    total,
)
from tests.criteria.models import Badge, Chapter, Label, Member, Note, Page, Part, Picture, Remark


@dataclass(frozen=True)
class Context:
    site: int | None


def of_site(context: Context) -> int | None:
    return context.site


@batched
async def asked_of(keys: list[int]) -> dict[int, str]:
    return {key: f"asked {key}" for key in keys}


class MemberRepository(Repository[Member]):
    criteria = (match(Member.site, of_site),)
    page_count = count(Member.pages)
    pages_read = count(Member.read)
    read_size = total(Member.read, Page.size)
    first_read = top(Member.read, 2)


class BadgeRepository(Repository[Badge]):
    criteria = (match(Badge.site, of_site),)


class PageRepository(Repository[Page]):
    criteria = (match(Page.site, of_site),)
    number_of_remarks = count(Page.remarks)
    filterable = {  # noqa: RUF012
        column(Page.author, Member.name): (eq, ne, contains, icontains, startswith, any_of, is_null),
        number_of_remarks: (ge, between),
    }
    good_remarks = count(Page.remarks, where=Remark.stars >= 2)
    has_remarks = exists(Page.remarks)
    stars = total(Page.remarks, Remark.stars)
    least = minimum(Page.remarks, Remark.stars)
    most = maximum(Page.remarks, Remark.stars)
    mean = average(Page.remarks, Remark.stars)
    two_remarks = top(Page.remarks, 2, order_by=(Remark.stars.desc().nulls_last(), Remark.id))
    last_remark = latest(Page.remarks, by=Remark.stars)
    first_remark = earliest(Page.remarks, by=Remark.stars)
    label_count = count(Page.labels)
    reader_count = count(Page.readers)
    one_label = top(Page.labels, 1, order_by=Label.id.desc())
    part_count = count(Page.parts)
    by_subquery = expression(
        select(func.count(Remark.id)).where(Remark.page_id == Page.id).correlate(Page).scalar_subquery()
    )
    of_labelled = count(Page.remarks, where=Remark.page.has(Page.labels.any()))
    top_of_labelled = top(Page.remarks, 1, where=Remark.page.has(Page.labels.any()))
    asked = fetched(asked_of, key=Page.author_id)


class LabelRepository(Repository[Label]):
    criteria = (match(Label.site, of_site),)


class RemarkRepository(Repository[Remark]):
    criteria = (match(Remark.site, of_site),)


class PartRepository(Repository[Part]):
    criteria = (match(Part.site, of_site),)


class PictureRepository(Repository[Picture]):
    """Inherits the criteria of its base class."""


class ChapterRepository(Repository[Chapter]):
    criteria = (match(Chapter.site, of_site),)
    note_count = count(Chapter.notes)
    first_notes = top(Chapter.notes, 1)


class NoteRepository(Repository[Note]):
    criteria = (match(Note.site, of_site),)


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

REPOSITORY_OF = {repository.entity_class: repository for repository in REPOSITORIES}
"""By entity."""
