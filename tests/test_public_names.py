"""The shop window: what `from batchrepo import ...` offers."""

from __future__ import annotations

import ast
import inspect
import itertools
import pickle
import typing
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import batchrepo
from batchrepo import errors

NAMES = sorted(batchrepo.__all__)
CLASSES_AND_FUNCTIONS = [name for name in NAMES if isinstance(getattr(batchrepo, name), type | FunctionType)]
ERRORS = [
    value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)
]


def imported() -> set[str]:
    """The names that the package's own module imports from below."""
    tree = ast.parse(Path(batchrepo.__file__).read_text(encoding="utf-8"))
    return {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("batchrepo")
        for alias in node.names
    }


def documented_constants(module: Any) -> set[str]:
    """Names assigned in a module that a string follows."""
    body = ast.parse(inspect.getsource(module)).body
    found: set[str] = set()
    for statement, following in itertools.pairwise(body):
        targets = (
            statement.targets
            if isinstance(statement, ast.Assign)
            else [statement.target]
            if isinstance(statement, ast.AnnAssign)
            else []
        )
        is_text = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
        if is_text and isinstance(following.value.value, str):
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def test_what_is_imported_is_what_is_offered():
    assert imported() == set(batchrepo.__all__)


def test_names_are_offered_once_and_in_order():
    assert batchrepo.__all__ == sorted(set(batchrepo.__all__), key=_as_ruff_sorts)


def _as_ruff_sorts(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("name", CLASSES_AND_FUNCTIONS)
def test_classes_and_functions_are_documented_and_show_the_public_path(name: str):
    value = getattr(batchrepo, name)
    assert inspect.getdoc(value), f"{name} has no docstring"
    assert (value.__module__, value.__qualname__) == ("batchrepo", name)


def test_constants_and_aliases_are_documented():
    import batchrepo.declare.operators
    import batchrepo.declare.repository_info
    import batchrepo.scope.peers

    documented = documented_constants(batchrepo.scope.peers)
    documented |= documented_constants(batchrepo.declare.repository_info)
    documented |= documented_constants(batchrepo.declare.operators)
    assert set(NAMES) - set(CLASSES_AND_FUNCTIONS) <= documented


@pytest.mark.parametrize("name", CLASSES_AND_FUNCTIONS)
def test_public_names_can_be_pickled(name: str):
    value = getattr(batchrepo, name)
    assert pickle.loads(pickle.dumps(value)) is value


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_is_public_and_keeps_its_message_when_pickled(error: type[Exception]):
    assert getattr(batchrepo, error.__name__) is error
    raised = error("Album", [1, 2]) if error is batchrepo.NotFound else error("what happened")
    again = pickle.loads(pickle.dumps(raised))
    assert (type(again), str(again), vars(again)) == (error, str(raised), vars(raised))


def test_an_error_prints_its_public_path():
    import traceback

    (line,) = traceback.format_exception_only(batchrepo.NotFound("Album", [1]))
    assert line == "batchrepo.NotFound: Album has no row for key 1.\n"


def test_nobody_elses_names_are_touched():
    assert typing.Literal.__module__ == "typing"
    assert {getattr(batchrepo, name).__module__ for name in CLASSES_AND_FUNCTIONS} == {"batchrepo"}


def test_hints_of_public_dataclasses_are_found_from_the_public_path():
    assert typing.get_type_hints(batchrepo.Health)["ok"] is bool
