"""Row criteria are put on a user's own statement, whatever its form; what they cannot be put on is refused."""

from __future__ import annotations

import pytest
from sqlalchemy import (
    Integer,
    String,
    cast,
    column,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    table,
    text,
    union,
    union_all,
    update,
)
from sqlalchemy.orm import (
    Bundle,
    aliased,
    join,
    joinedload,
    outerjoin,
    selectinload,
    undefer,
    with_polymorphic,
)

from batchrepo import Database, InvalidArgument, UnguardedStatement
from batchrepo.testing import assert_statements
from tests.criteria.models import Label, Member, Page, Part, Picture, Remark, page_label
from tests.criteria.repositories import Context, PageRepository
from tests.criteria.rows import View

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEES = View(site=1)
PAGES, MEMBERS, REMARKS = SEES.keys(Page), SEES.keys(Member), SEES.keys(Remark)


def related(attribute):
    return {key: SEES.related(attribute, key) for key in PAGES}


AUTHOR, PAGE_REMARKS, PAGE_LABELS = related(Page.author), related(Page.remarks), related(Page.labels)
WRITTEN = [key for key in PAGES if AUTHOR[key] is not None]
REMARKED = [key for key in PAGES if PAGE_REMARKS[key]]
PICTURES = SEES.keys(Picture)


def pictures(key):
    return [part for part in SEES.related(Page.parts, key) if part in PICTURES]


PICTURED = [key for key in PAGES if pictures(key)]

page, member, of_page = aliased(Page), aliased(Member), aliased(Page, select(Page).subquery())
parts = with_polymorphic(Part, "*")
page_table, remark_table, picture_table = Page.__table__, Remark.__table__, Picture.__table__
page_query, page_cte = select(Page.id).subquery(), select(Page.id).cte()
counted = select(func.count(Page.id).label("n")).subquery()
either = union(select(Page.id), select(Page.id)).subquery()
doubled = union_all(select(Page.id), select(page.id)).cte()
remarks_of_page = select(func.count(Remark.id)).where(Remark.page_id == Page.id)

top_members = select(Member.id).where(Member.mentor_id.is_(None)).cte("chain", recursive=True)
chain = top_members.union_all(select(Member.id).join(top_members, Member.mentor_id == top_members.c.id))


def below(keys):
    return [pupil for key in keys for pupil in (key, *below(SEES.related(Member.pupils, key)))]


VALUES = {
    "a column": (select(Page.id), PAGES),
    "a column of a page's author": (
        select(Member.id).join(Member.pages).where(Page.site == 2),
        [],
    ),
    "two columns": (select(Page.id, Page.site), [(key, 1) for key in PAGES]),
    "an expression": (select(Page.id + 100), [key + 100 for key in PAGES]),
    "an expression over two classes": (
        select(Page.id + Member.id).where(Page.author_id == Member.id),
        sorted(key + AUTHOR[key] for key in WRITTEN),
    ),
    "a bundle": (select(Bundle("both", Page.id, Page.site)), [(key, 1) for key in PAGES]),
    "count of rows": (select(func.count()).select_from(Page), [len(PAGES)]),
    "count of rows of an alias": (select(func.count()).select_from(page), [len(PAGES)]),
    "count of a column": (select(func.count(Page.id)), [len(PAGES)]),
    "count of a cast column": (select(func.count(cast(Page.id, String))), [len(PAGES)]),
    "a filtered count": (select(func.count(Page.id).filter(Page.site == 2)), [0]),
    "a filtered count of all": (select(func.count(Page.id).filter(Page.id > 0)), [len(PAGES)]),
    "a window": (select(func.count(Page.id).over()).distinct(), [len(PAGES)]),
    "groups": (select(Page.site, func.count()).group_by(Page.site), [(1, len(PAGES))]),
    "an alias": (select(page.id), PAGES),
    "an alias of a subquery": (select(of_page.id), PAGES),
    "a subquery": (select(page_query.c.id), PAGES),
    "count of a subquery": (select(func.count()).select_from(page_query), [len(PAGES)]),
    "a subquery that counts": (select(counted.c.n), [len(PAGES)]),
    "a common table expression": (select(page_cte.c.id), PAGES),
    "a union": (select(either.c.id), PAGES),
    "a union of a class and its alias": (select(doubled.c.id), sorted(PAGES * 2)),
    "a recursive query": (
        select(chain.c.id),
        sorted(below([key for key in MEMBERS if SEES.row(Member, key)["mentor_id"] is None])),
    ),
    "a scalar subquery": (
        select(Label.id, select(func.count(Page.id)).scalar_subquery()),
        [(key, len(PAGES)) for key in SEES.keys(Label)],
    ),
    "a correlated subquery": (
        select(Page.id, remarks_of_page.scalar_subquery()),
        [(key, len(PAGE_REMARKS[key])) for key in PAGES],
    ),
    "a mapped subquery": (select(Page.id, Page.remark_count), [(k, len(PAGE_REMARKS[k])) for k in PAGES]),
    "any": (select(Page.id).where(Page.labels.any()), [key for key in PAGES if PAGE_LABELS[key]]),
    "any of a hidden value": (select(Page.id).where(Page.labels.any(Label.site == 2)), []),
    "has": (select(Page.id).where(Page.author.has()), WRITTEN),
    "self-referential has": (
        select(Member.id).where(Member.mentor.has()),
        [key for key in MEMBERS if SEES.related(Member.mentor, key) is not None],
    ),
    "exists": (select(Label.id).where(exists().where(Page.site == 2)), []),
    "in a subquery": (select(Page.id).where(Page.id.in_(select(Remark.page_id))), REMARKED),
    "a join": (select(Page.id).join(Page.author), WRITTEN),
    "a join to an alias": (select(Page.id).join(Page.author.of_type(member)), WRITTEN),
    "a join by a condition": (select(Page.id).join(Member, Member.id == Page.author_id), WRITTEN),
    "a join from": (select(Page.id).join_from(Page, Member), WRITTEN),
    "a join in the condition": (select(Page.id).where(Member.id == Page.author_id), WRITTEN),
    "a join through a link table": (
        select(Page.id, Label.id).join(Page.labels),
        [(key, label) for key in PAGES for label in PAGE_LABELS[key]],
    ),
    "a join with the link table itself": (
        select(Page.id).join(page_label, page_label.c.page_id == Page.id).where(page_label.c.label_id == 2),
        [key for key in PAGES if 2 in View(None).related(Page.labels, key)],
    ),
    "a join by hand": (select(Page.id).select_from(join(Page, Member)), WRITTEN),
    "count of a join by hand": (select(func.count()).select_from(join(Page, Member)), [len(WRITTEN)]),
    "an outer join": (
        select(Page.id, Member.id).outerjoin(Page.author),
        [(key, AUTHOR[key]) for key in PAGES],
    ),
    "an outer join to an alias": (
        select(Page.id, member.id).outerjoin(Page.author.of_type(member)),
        [(key, AUTHOR[key]) for key in PAGES],
    ),
    "an outer join by a condition": (
        select(Page.id, Member.id).outerjoin(Member, Member.id == Page.author_id),
        [(key, AUTHOR[key]) for key in PAGES],
    ),
    "an outer join through a link table": (
        select(Page.id, Label.id).outerjoin(Page.labels),
        [(key, label) for key in PAGES for label in PAGE_LABELS[key] or [None]],
    ),
    "a join to a subclass": (select(Page.id).join(Picture, Picture.page_id == Page.id).distinct(), PICTURED),
    "a join by hand to a subclass": (
        select(func.count(Page.id.distinct())).select_from(join(Page, Picture, Picture.page_id == Page.id)),
        [len(PICTURED)],
    ),
    "an outer join to a subclass": (
        select(Page.id, Picture.id).outerjoin(Page.parts.of_type(Picture)),
        [(key, part) for key in PAGES for part in pictures(key) or [None]],
    ),
    "outer joins in a row": (
        select(Remark.id, Member.id).outerjoin(Remark.page).outerjoin(Page.author),
        [
            (key, AUTHOR[found] if (found := SEES.related(Remark.page, key)) is not None else None)
            for key in REMARKS
        ],
    ),
    "a subclass": (select(Picture.id), PICTURES),
    "a subclass's column": (select(func.sum(Picture.width)), [sum(key * 10 for key in PICTURES)]),
    "a table": (select(page_table.c.id), PAGES),
    "an alias of a table": (select(page_table.alias("other").c.id), PAGES),
    "a table joined to a class": (
        select(Page.id).join(remark_table, remark_table.c.page_id == Page.id).distinct(),
        REMARKED,
    ),
    "a table beside a class": (
        select(Page.id).where(remark_table.c.page_id == Page.id).distinct(),
        REMARKED,
    ),
    "a subclass's own table": (select(picture_table.c.id), PICTURES),
    "no table": (select(literal(1)), [1]),
}
"""For each name a statement, and its rows in order."""


async def test_values(db, subtests):
    for name, (statement, expected) in VALUES.items():
        async with db.scope(Context(site=1)) as scope:
            with subtests.test(name):
                assert sorted(await scope.fetch(statement), key=repr) == sorted(expected, key=repr)


@pytest.mark.parametrize("module_database_url", ["postgresql"], indirect=True)
async def test_lateral_subqueries_and_samples(scope):
    newest = (
        select(func.count(Remark.id).label("n")).where(Remark.page_id == Page.id).correlate(Page).lateral()
    )
    found = await scope.fetch(select(Page.id, newest.c.n))
    assert sorted(found) == [(key, len(PAGE_REMARKS[key])) for key in PAGES]
    sample = page_table.tablesample(func.system(literal_column("100")))
    assert sorted(await scope.fetch(select(sample.c.id))) == PAGES


ENTITIES = {
    "a class": (select(Page), PAGES),
    "an alias": (select(page), PAGES),
    "an alias of a subquery": (select(of_page), PAGES),
    "a subclass": (select(Picture), PICTURES),
    "a class with all subclasses": (select(parts), SEES.keys(Part)),
    "a class, joined": (select(Page).join(Page.author), WRITTEN),
    "a class, locked": (select(Page).with_for_update(), PAGES),
}


async def test_entities(db, subtests):
    for name, (statement, expected) in ENTITIES.items():
        async with db.scope(Context(site=1)) as scope:
            with subtests.test(name):
                assert sorted(one.id for one in await scope.fetch(statement)) == expected


async def test_tuples_of_entities(scope):
    found = await scope.fetch(select(Page, Member).outerjoin(Page.author))
    assert sorted((one.id, author and author.id) for one, author in found) == list(AUTHOR.items())


async def test_tuples_of_a_class_and_its_alias(scope):
    """Both columns have one name, and both are given."""
    mentor = aliased(Member)
    found = await scope.fetch(select(Member, mentor).join(Member.mentor.of_type(mentor)))
    assert sorted((one.id, other.id) for one, other in found) == [
        (key, SEES.related(Member.mentor, key))
        for key in MEMBERS
        if SEES.related(Member.mentor, key) is not None
    ]


async def test_mapped_subqueries_and_deferred_ones(scope):
    for one in await scope.fetch(select(Page).options(undefer(Page.best))):
        stars = [value for value in SEES.values(Page.remarks, one.id, "stars") if value is not None]
        assert (one.remark_count, one.best) == (len(PAGE_REMARKS[one.id]), max(stars, default=None))


async def test_options_below_options(scope):
    options = joinedload(Page.author).selectinload(Member.pages).selectinload(Page.remarks)
    for one in await scope.fetch(select(Page).options(options, selectinload(Page.labels))):
        assert [label.id for label in one.labels] == PAGE_LABELS[one.id]
        assert (one.author.id if one.author else None) == AUTHOR[one.id]
        if one.author is not None:
            assert [other.id for other in one.author.pages] == SEES.related(Member.pages, one.author.id)
            for other in one.author.pages:
                assert [remark.id for remark in other.remarks] == PAGE_REMARKS[other.id]


async def test_criteria_are_there_once_where_a_class_is_read_as_it_is(scope, db):
    """Twice the same condition would mislead a planner about how many rows there are."""
    for statement in (
        select(Page),
        select(Page.id),
        select(func.count(Page.id)),
        select(func.count()).select_from(Page),
    ):
        with assert_statements(1, db) as seen:
            await scope.fetch(statement)
        assert seen.statements[0].count("page.site =") == 1


# --- refusals ------------------------------------------------------------------------------------------

REFUSED = {
    "text as a column": select(text("id")).select_from(Page),
    "text as a condition": select(Page.id).where(text("1 = 1 or 1 = 1")),
    "text as an order": select(Page.id).order_by(text("title")),
    "text as a table": select(func.count()).select_from(text("page")),
    "text before the columns": select(Page.id).prefix_with("all"),
    "text behind the statement": select(Page.id).suffix_with("-- "),
    "text in a subquery": select(Page.id).where(Page.id.in_(select(Remark.page_id).where(text("true")))),
    "a statement of text": select(text("select id from page").columns(column("id", Integer)).subquery().c.id),
    "literal SQL": select(literal_column("(select count(*) from page)")),
    "literal SQL as a condition": select(Page.id).where(literal_column("1 = 1 or 1 = 1")),
    "a table by its name alone": select(func.count()).select_from(table("page")),
    "columns of a table by its name alone": select(table("page", column("id")).c.id),
    "an outer join by hand": select(Page.id).select_from(outerjoin(Page, Member)),
    "an outer join of a table": select(Page.id).outerjoin(remark_table, remark_table.c.page_id == Page.id),
    "a full join": select(Page.id).join(Page.author, full=True),
}


ADVICE = r"unfiltered=|Use the class"


async def test_what_cannot_be_guarded_is_refused_and_not_run(db, scope, subtests):
    for name, statement in REFUSED.items():
        with subtests.test(name), assert_statements(0, db), pytest.raises(UnguardedStatement, match=ADVICE):
            await scope.fetch(statement)


async def test_a_statement_that_cannot_be_guarded_runs_with_a_reason(scope):
    everything = select(func.count()).select_from(text("page"))
    assert await scope.fetch(everything, unfiltered="counts all pages for the bill") == [30]


async def test_text_is_free_where_there_are_no_criteria(db):
    async with Database(db.engine).scope() as scope:
        assert await scope.fetch(select(func.count()).select_from(text("page"))) == [30]


new_label = insert(Label).values(id=99, site=1, name="new").returning(Label.id).cte()
WRITING = {
    "an insert": (insert(Label).values(id=99, site=1, name="new"), "Insert"),
    "an update": (update(Label).values(name="new"), "Update"),
    "an insert inside a select": (select(new_label.c.id), "Insert"),
    "an update inside a select": (
        select(update(Label).values(name="new").returning(Label.id).cte().c.id),
        "Update",
    ),
    "a union": (union(select(Page.id), select(Page.id)), "CompoundSelect"),
    "text": (text("select 1"), "TextClause"),
    "a string": ("select 1", "str"),
}


@pytest.mark.parametrize("guarded", [True, False], ids=["criteria", "no criteria"])
async def test_what_is_no_select_is_refused_and_not_run(db, guarded, subtests):
    database = db if guarded else Database(db.engine)
    async with database.scope(Context(site=1)) as scope:
        for name, (statement, named) in WRITING.items():
            with subtests.test(name), assert_statements(0, db), pytest.raises(InvalidArgument, match=named):
                await scope.fetch(statement)


# --- afterwards ----------------------------------------------------------------------------------------


async def test_rows_that_were_read_without_criteria_are_not_found_by_key(scope):
    everything = await scope.fetch(select(Page), unfiltered="to see what the scope does with them afterwards")
    hidden = [one.id for one in everything if one.site == 2]
    pages = PageRepository(scope)
    assert await pages.get_many_or_none(hidden) == [None] * len(hidden)
    for key in hidden[:3]:
        assert await pages.get_or_none(key) is None
    assert sorted(one.id for one in await pages.find()) == PAGES


async def test_rows_that_were_read_without_criteria_lead_to_visible_rows_only(scope):
    for one in await scope.fetch(select(Page), unfiltered="to see what the scope does with them afterwards"):
        found = await one.awaitable_attrs.remarks
        assert [remark.id for remark in found] == SEES.related(Page.remarks, one.id)
        author = await scope.related(one, Page.author)
        assert (author.id if author else None) == SEES.related(Page.author, one.id)


async def test_relations_are_not_led_to_rows_that_were_read_without_criteria(scope):
    _kept = await scope.fetch(select(Member), unfiltered="to fill the session")
    for one in await PageRepository(scope).find():
        author = await one.awaitable_attrs.author
        assert (author.id if author else None) == AUTHOR[one.id]
