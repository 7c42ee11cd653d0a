"""Plain repositories of the store, with a few computed attributes, and views of it."""

from __future__ import annotations

from pydantic import BaseModel
from sqlalchemy import func

from batchrepo import Repository, average, count, expression, latest, total
from tests.criteria.models import Badge, Chapter, Label, Member, Note, Page, Part, Picture, Remark
from tests.criteria.rows import View

STORE = View(site=None)
"""The oracle: all rows are seen."""


class Members(Repository[Member]):
    page_count = count(Member.pages)
    read_count = count(Member.read)


class Pages(Repository[Page]):
    remark_total = count(Page.remarks)
    stars = total(Page.remarks, Remark.stars)
    mean = average(Page.remarks, Remark.stars)
    last_remark = latest(Page.remarks, by=Remark.stars)
    shouted = expression(func.upper(Page.title))


class Labels(Repository[Label]):
    page_count = count(Label.pages)


class Remarks(Repository[Remark]):
    pass


class Badges(Repository[Badge]):
    pass


class Parts(Repository[Part]):
    pass


class Pictures(Repository[Picture]):
    pass


class Chapters(Repository[Chapter]):
    note_count = count(Chapter.notes)


class Notes(Repository[Note]):
    pass


REPOSITORIES = (Members, Pages, Labels, Remarks, Badges, Parts, Pictures, Chapters, Notes)

REPOSITORY_OF = {repository.entity_class: repository for repository in REPOSITORIES}
"""By entity."""


class Keyed(BaseModel):
    id: int
