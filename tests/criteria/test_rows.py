"""The store's rows are such that a leak would be seen: otherwise the tests beside this one would prove little."""

from __future__ import annotations

import pytest

from tests.criteria.models import Base, Page
from tests.criteria.repositories import REPOSITORIES
from tests.criteria.rows import RELATIONS, View
from tests.criteria.test_conditions import CONDITIONS, everybody, nobody
from tests.criteria.test_predicates import EVERYTHING, PREDICATES, READERS
from tests.criteria.test_views import deep

SEES = View(site=1)


def test_every_class_has_visible_and_hidden_rows():
    for mapper in Base.registry.mappers:
        assert 0 < len(SEES.keys(mapper.class_)) < len(EVERYTHING.keys(mapper.class_))


@pytest.mark.parametrize("relation", RELATIONS, ids=str)
def test_every_relation_leads_to_visible_and_to_hidden_rows(relation):
    visible = {key: SEES.related(relation.attribute, key) for key in SEES.keys(relation.owner)}
    assert any(visible.values())
    assert visible != {key: EVERYTHING.related(relation.attribute, key) for key in visible}


def test_every_condition_takes_some_rows_and_leaves_some():
    for name, (cls, _, oracle) in CONDITIONS.items():
        if oracle not in (nobody, everybody):
            assert {bool(oracle(key)) for key in SEES.keys(cls)} == {True, False}, name


def test_every_predicate_takes_some_rows_and_leaves_some():
    for name, (_, oracle) in PREDICATES.items():
        seen = [sum(oracle(row, reader) for row in EVERYTHING.rows(Page)) for reader in READERS]
        assert any(0 < count < len(EVERYTHING.rows(Page)) for count in seen), name


def test_the_deep_view_has_rows_at_every_depth():
    mentors = [page["author"]["mentor"] for page in map(deep, SEES.keys(Page)) if page["author"]]
    assert None in mentors
    assert any(mentor and mentor["pages"] and mentor["pages"][0]["remarks"] for mentor in mentors)


def test_each_criterion_has_a_parameter_of_its_own():
    criteria = [criterion for repository in REPOSITORIES for criterion in repository.criteria]
    assert len({criterion.parameter for criterion in criteria}) == len(criteria)
