"""The suite that says what it means to load relations rightly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import new_class
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import class_mapper

from batchrepo import Database, Repository
from batchrepo.testing.contract.cases import RelationCase, relation_cases
from batchrepo.testing.contract.oracle import (
    Related,
    as_list,
    ask_oracle,
    assert_entities,
    assert_views,
    key_of,
    require,
)
from batchrepo.testing.contract.views import owner_view, small_view, whole_view
from batchrepo.testing.contract.work import allowed_statements
from batchrepo.testing.counting import StatementCounter, statement_counter

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from batchrepo.testing.contract.data import Family, Rows

Reading = Callable[[Any, RelationCase, Sequence[Any]], Awaitable[list[Any]]]
"""A way to read one relation of many owners: from (scope, case, owners) to a value for each owner."""


async def gathered(scope: Any, case: RelationCase, owners: Sequence[Any]) -> list[Any]:
    """`scope.related` for all owners at once."""
    return await asyncio.gather(*(scope.related(owner, case.attribute) for owner in owners))


async def in_a_loop(scope: Any, case: RelationCase, owners: Sequence[Any]) -> list[Any]:
    """`scope.related` for one owner after the other."""
    return [await scope.related(owner, case.attribute) for owner in owners]


async def awaitable_attrs_gathered(_scope: Any, case: RelationCase, owners: Sequence[Any]) -> list[Any]:
    """SQLAlchemy's own `awaitable_attrs` for all owners at once."""
    return await asyncio.gather(*(getattr(owner.awaitable_attrs, case.key) for owner in owners))


async def awaitable_attrs_in_a_loop(_scope: Any, case: RelationCase, owners: Sequence[Any]) -> list[Any]:
    """SQLAlchemy's own `awaitable_attrs` for one owner after the other."""
    return [await getattr(owner.awaitable_attrs, case.key) for owner in owners]


READINGS: tuple[Reading, ...] = (gathered, in_a_loop, awaitable_attrs_gathered, awaitable_attrs_in_a_loop)
"""Every way to read a relation of entities."""

CASES = relation_cases()
"""Every relation of the contract models."""

CASES_OF_SUBCLASSES = [case for case in CASES if class_mapper(case.owner).inherits]
"""Every relation that is read from a subclass, declared there or inherited."""


class RelationContract:
    """Every relation of the contract models equals what SQLAlchemy's selectinload gives, in one statement.

    A subclass says on which database, by a fixture with the tables of `models.Base` in place::

        class TestRelations(RelationContract):
            @pytest.fixture
            async def relation_engine(self): ...

    The one difference to selectinload: where a link table holds a pair twice, each child is given once.
    pytest-asyncio runs the tests.
    """

    pytestmark: ClassVar = [pytest.mark.asyncio]

    @pytest.fixture
    def relation_engine(self) -> AsyncEngine:
        """The engine to test on; the tables of `models.Base` exist, and the suite may empty them."""
        raise NotImplementedError(f"{type(self).__name__} must define the fixture relation_engine.")

    @pytest.mark.parametrize("reading", READINGS, ids=lambda reading: reading.__name__)
    @pytest.mark.parametrize("case", CASES, ids=str)
    async def test_entities_of_the_sample(
        self, relation_engine: AsyncEngine, case: RelationCase, reading: Reading
    ) -> None:
        """The sample's known cases, however the relation is read."""
        async with prepared(relation_engine, case, case.family.sample) as trial:
            await trial.check_entities(reading)

    @pytest.mark.parametrize("case", CASES, ids=str)
    async def test_views_of_the_sample(self, relation_engine: AsyncEngine, case: RelationCase) -> None:
        """The sample's known cases as views: held by a view of the owner, and asked for by themselves."""
        async with prepared(relation_engine, case, case.family.sample) as trial:
            await trial.check_owner_views()
            await trial.check_related_views()

    @pytest.mark.parametrize("reading", READINGS, ids=lambda reading: reading.__name__)
    @pytest.mark.parametrize("case", CASES_OF_SUBCLASSES, ids=str)
    async def test_owners_found_through_their_base(
        self, relation_engine: AsyncEngine, case: RelationCase, reading: Reading
    ) -> None:
        """A relation of a subclass, of entities that the base's repository found."""
        async with prepared(relation_engine, case, case.family.sample) as trial:
            await trial.check_entities_of_base(reading)

    @pytest.mark.parametrize("case", CASES, ids=str)
    async def test_no_owners(self, relation_engine: AsyncEngine, case: RelationCase) -> None:
        """Empty tables: no owners, no statement for their relation, no error."""
        async with prepared(relation_engine, case, {}) as trial:
            await trial.check_entities(gathered)
            await trial.check_owner_views()

    @pytest.mark.parametrize("case", CASES, ids=str)
    @settings(
        max_examples=max(5, settings().max_examples // 20),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(data=st.data())
    async def test_generated_data(
        self, relation_engine: AsyncEngine, case: RelationCase, data: st.DataObject
    ) -> None:
        """Any small data set, however the relation is read."""
        async with prepared(relation_engine, case, data.draw(case.family.generated)) as trial:
            for reading in READINGS:
                await trial.check_entities(reading)
            await trial.check_owner_views()
            await trial.check_related_views()


@dataclass(frozen=True)
class Trial:
    """A relation, the data to read it from, and what must come out.

    Every check opens a scope of its own, compares rows and values with the oracle's, and the number of
    statements with what the relation may take. It raises AssertionError when something differs.

    Attributes:
        engine: where the tables are.
        database: a Database on that engine, with a plain repository for each model of the family.
        case: the relation.
        expected: the oracle's answer.
    """

    engine: AsyncEngine
    database: Database
    case: RelationCase
    expected: Related

    async def check_entities(self, reading: Reading) -> None:
        """Reads the relation of all owners twice: the second time takes no statement."""
        async with self.database.scope() as scope:
            owners = await repository_of(self.case)(scope).find()
            with statement_counter(self.database) as seen:
                values = await reading(scope, self.case, owners)
            assert_entities(self.case, self.expected, owners, values)
            self._assert_count(seen, allowed_statements(self.case, owners, self.expected))
            with statement_counter(self.database) as seen:
                again = await reading(scope, self.case, owners)
            assert_entities(self.case, self.expected, owners, again)
            self._assert_count(seen, {0})

    async def check_entities_of_base(self, reading: Reading) -> None:
        """Reads the relation of owners that the repository of their base class found.

        Their own columns may not be loaded; reading those for all owners may take one more statement.
        SQLAlchemy answers `awaitable_attrs` of a many-to-one relation with what the session holds, even if
        only the base's columns of it are loaded; the others are then read when they are asked for.
        """
        base = class_mapper(self.case.owner).base_mapper.class_
        async with self.database.scope() as scope:
            found = await _REPOSITORIES[base](scope).find()
            owners = [owner for owner in found if isinstance(owner, self.case.owner)]
            with statement_counter(self.database) as seen:
                values = await reading(scope, self.case, owners)
            self._assert_count(seen, {0, 1, 2})
            if reading in (awaitable_attrs_gathered, awaitable_attrs_in_a_loop):
                for child in (child for value in values for child in as_list(value)):
                    for name in {column.key for column in class_mapper(type(child)).column_attrs} - set(
                        vars(child)
                    ):
                        await getattr(child.awaitable_attrs, name)
            assert_entities(self.case, self.expected, owners, values)

    async def check_owner_views(self) -> None:
        """Finds views of the owners that hold views of the related rows."""
        small = small_view(self.case)
        owning = owner_view(self.case, small)
        async with self.database.scope() as scope:
            with statement_counter(self.database) as seen:
                found = await repository_of(self.case)(scope).find(owning)
        key_names = [name for name in owning.model_fields if name != self.case.key]
        held = {tuple(getattr(v, n) for n in key_names): getattr(v, self.case.key) for v in found}
        require(len(held) == len(found), f"{self.case}: an owner was given twice.")
        assert_views(self.case, self.expected, held, list(small.model_fields))
        # One statement for the owners, one for the relation; none where it is plain that no owner has any.
        self._assert_count(seen, {2} if any(self.expected.values()) else {1, 2})

    async def check_related_views(self) -> None:
        """Asks for the related rows of entities as views of all columns."""
        whole = whole_view(self.case)
        async with self.database.scope() as scope:
            owners = await repository_of(self.case)(scope).find()
            asked = [scope.related(owner, self.case.attribute, whole) for owner in owners]
            with statement_counter(self.database) as seen:
                values = dict(zip(map(key_of, owners), await asyncio.gather(*asked), strict=True))
        assert_views(self.case, self.expected, values, list(whole.model_fields))
        self._assert_count(seen, {1} if any(self.expected.values()) else {0, 1})

    def _assert_count(self, seen: StatementCounter, allowed: set[int]) -> None:
        require(
            seen.count in allowed,
            f"{self.case}: {sorted(allowed)} statements expected, {seen!r} ran.",
        )


@asynccontextmanager
async def prepared(engine: AsyncEngine, case: RelationCase, rows: Rows) -> AsyncIterator[Trial]:
    """A trial on the given data.

    Args:
        engine: where the tables are; what they hold is replaced.
        case: the relation.
        rows: the data of the relation's family.
    """
    await case.family.replace_rows(engine, rows)
    expected = await ask_oracle(engine, case)
    async with Database(engine, repositories=repositories(case.family)) as database:
        yield Trial(engine, database, case, expected)


def repositories(family: Family) -> list[type[Repository[Any]]]:
    """A plain repository for each model of a family."""
    return [_REPOSITORIES[mapper.class_] for mapper in family.mappers]


def repository_of(case: RelationCase) -> type[Repository[Any]]:
    """The repository of the class that a relation is read from."""
    return _REPOSITORIES[case.owner]


def _plain_repository(model: type[Any]) -> type[Repository[Any]]:
    base: Any = Repository[model]  # type: ignore[valid-type]
    return new_class(f"{model.__name__}Repository", (base,))


_REPOSITORIES = {
    mapper.class_: _plain_repository(mapper.class_) for case in CASES for mapper in case.family.mappers
}
