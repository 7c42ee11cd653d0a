"""A mapping's own loading (`lazy="selectin"` and such): its relations are loaded, but by the scope.

SQLAlchemy's eager loads would know nothing of row criteria, peers and loaders.
"""

from __future__ import annotations

import pytest
import pytest_asyncio
from sqlalchemy import ForeignKey, insert, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import Database, InvalidArgument, LazyLoad, Repository, match
from batchrepo.testing import assert_statements

pytestmark = pytest.mark.asyncio(loop_scope="module")

EAGER = ("joined", "selectin", "subquery", "immediate")


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Owner(Base):
    __tablename__ = "owner"
    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[int]


class Thing(Base):
    __tablename__ = "thing"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "thing"}  # noqa: RUF012
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    site: Mapped[int]
    owner_id: Mapped[int] = mapped_column(ForeignKey("owner.id"))


class Gadget(Thing):
    __tablename__ = "gadget"
    __mapper_args__ = {"polymorphic_identity": "gadget"}  # noqa: RUF012
    id: Mapped[int] = mapped_column(ForeignKey("thing.id"), primary_key=True)
    maker_id: Mapped[int] = mapped_column(ForeignKey("owner.id"))


class Plain(Base):
    """Nothing of it is loaded eagerly."""

    __tablename__ = "plain"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("owner.id"))
    strict = relationship(Owner, viewonly=True, lazy="raise")


for lazy in (*EAGER, "raise", "raise_on_sql"):
    setattr(
        Thing, f"owner_{lazy}", relationship(Owner, viewonly=True, lazy=lazy, foreign_keys=Thing.owner_id)
    )
    setattr(
        Gadget, f"maker_{lazy}", relationship(Owner, viewonly=True, lazy=lazy, foreign_keys=Gadget.maker_id)
    )
for lazy in (*EAGER, "raise", "dynamic", "write_only"):
    things = relationship(
        Thing, viewonly=True, lazy=lazy, foreign_keys=Thing.owner_id, order_by=lambda: Thing.id
    )
    setattr(Owner, f"things_{lazy}", things)


def of_site(site):
    return site


class Owners(Repository[Owner]):
    criteria = (match(Owner.site, of_site),)


class Things(Repository[Thing]):
    criteria = (match(Thing.site, of_site),)


class Gadgets(Repository[Gadget]):
    pass


class Plains(Repository[Plain]):
    pass


OWNERS = {i: 1 + i % 2 for i in range(1, 7)}
THINGS = {i: (1 + (i // 2) % 2, 1 + i % 6) for i in range(1, 25)}
GADGETS = {i: 1 + i % 5 for i in THINGS if i % 3}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def db(module_database_url):
    async with Database(module_database_url, repositories=[Owners, Things, Gadgets, Plains]) as opened:
        async with opened.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.execute(
                insert(Owner.__table__), [{"id": i, "site": s} for i, s in OWNERS.items()]
            )
            things = [
                {"id": i, "site": site, "owner_id": owner, "kind": "gadget" if i in GADGETS else "thing"}
                for i, (site, owner) in THINGS.items()
            ]
            await connection.execute(insert(Thing.__table__), things)
            await connection.execute(
                insert(Gadget.__table__), [{"id": i, "maker_id": maker} for i, maker in GADGETS.items()]
            )
            await connection.execute(insert(Plain.__table__), [{"id": 1, "owner_id": 1}])
        yield opened


def visible(owner):
    return owner if OWNERS[owner] == 1 else None


def things_of(owner):
    return [i for i, (site, of) in THINGS.items() if of == owner and site == 1]


async def test_eager_lists_come_with_their_owners_under_the_criteria(db):
    async with db.scope(1) as scope:
        with assert_statements(1 + len(EAGER), db):
            owners = await Owners(scope).find()
        assert [owner.id for owner in owners] == [i for i in OWNERS if visible(i)]
        with assert_statements(0, db):
            for owner in owners:
                for lazy in EAGER:
                    assert [thing.id for thing in getattr(owner, f"things_{lazy}")] == things_of(owner.id)


@pytest.mark.parametrize("repository", [Things, Gadgets], ids=lambda repository: repository.__name__)
async def test_eager_references_come_with_their_owners_under_the_criteria(db, repository):
    async with db.scope(1) as scope:
        found = await repository(scope).find()
        assert found
        with assert_statements(0, db):
            for thing in found:
                for lazy in EAGER:
                    owner = getattr(thing, f"owner_{lazy}")
                    assert (owner and owner.id) == visible(THINGS[thing.id][1])


async def test_eager_references_of_a_subclass_that_its_base_read_are_batched(db):
    async with db.scope(1) as scope:
        gadgets = [thing for thing in await Things(scope).find() if isinstance(thing, Gadget)]
        for lazy in EAGER:
            # The makers' keys are read once; the makers themselves are owners, some of whom are known.
            with assert_statements(2 if lazy == EAGER[0] else 0, db):
                for gadget in gadgets:
                    maker = await getattr(gadget.awaitable_attrs, f"maker_{lazy}")
                    assert (maker and maker.id) == visible(GADGETS[gadget.id])


@pytest.mark.parametrize("repository", [Owners, Things, Gadgets], ids=lambda repository: repository.__name__)
async def test_a_statement_of_the_user_s_loads_eagerly_under_the_criteria(db, repository):
    """There SQLAlchemy does it, as the mapping says, and the criteria go with it."""
    async with db.scope(1) as scope:
        for entity in await scope.fetch(select(repository.entity_class)):
            for lazy in EAGER:
                if isinstance(entity, Owner):
                    assert [thing.id for thing in getattr(entity, f"things_{lazy}")] == things_of(entity.id)
                elif f"owner_{lazy}" in entity.__dict__:
                    owner = getattr(entity, f"owner_{lazy}")
                    assert (owner and owner.id) == visible(THINGS[entity.id][1])


async def test_what_the_mapping_refuses_is_asked_for_by_name(db):
    """`lazy="raise"` forbids loads by the way, not those that say what they want."""
    async with db.scope(1) as scope:
        for owner in await Owners(scope).find():
            with pytest.raises(
                LazyLoad, match=r"Owner\.things_raise was touched, but its mapping says lazy='raise'"
            ):
                await owner.awaitable_attrs.things_raise
            assert [thing.id for thing in await scope.related(owner, Owner.things_raise)] == things_of(
                owner.id
            )
            assert [thing.id for thing in await owner.awaitable_attrs.things_raise] == things_of(owner.id)
        (plain,) = await Plains(scope).find()
        with pytest.raises(InvalidRequestError, match="lazy='raise'"):
            await plain.awaitable_attrs.strict
        owner = await scope.related(plain, Plain.strict)
        assert (owner and owner.id) == visible(1)
        (plain,) = await Plains(scope).find(include=[Plain.strict])
        assert plain.strict is owner


@pytest.mark.parametrize("lazy", ["dynamic", "write_only"])
async def test_relations_that_hold_no_rows_are_refused_by_name(db, lazy):
    async with db.scope(1) as scope:
        owner = await Owners(scope).first()
        relation = getattr(Owner, f"things_{lazy}")
        with pytest.raises(InvalidArgument, match=f"Owner.things_{lazy} is a {lazy} relationship"):
            await scope.related(owner, relation)
        with pytest.raises(InvalidArgument, match=f"Owner.things_{lazy} is a {lazy} relationship"):
            await Owners(scope).find(include=[relation])
