"""The pytest plugin, as a user's test run sees it: runs of pytest inside a test."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

import pytest

import _batchrepo_pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
PLUGIN = ("-p", "_batchrepo_pytest")
ASYNCIO = ("-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function")
WITHOUT_PYTEST_ASYNCIO = (
    "import sys, pytest; sys.modules['pytest_asyncio'] = None; sys.exit(pytest.main(sys.argv[1:]))"
)
LIBRARY = """
import pytest_asyncio
from tests.testing.library import Author, AuthorRepository, add, library

@pytest_asyncio.fixture
async def db(tmp_path_factory):
    async with library(f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('store') / 'test.db'}") as opened:
        yield opened
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs pytest with our plugin and those that are named, and no other, as if it were installed."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    path = os.pathsep.join((str(Path(_batchrepo_pytest.__file__).parent), str(ROOT)))
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.syspath_prepend(str(ROOT))
    pytester.makeini("[pytest]\nfilterwarnings = error")

    def run_with(*args: str, subprocess: bool = False) -> pytest.RunResult:
        runner = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
        return runner(*PLUGIN, *args)

    return run_with


def test_it_is_registered_and_packed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["pytest11"] == {"batchrepo": _batchrepo_pytest.__name__}
    packed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert f"src/{_batchrepo_pytest.__name__}.py" in packed


def test_an_unused_plugin_imports_nothing(pytester, run):
    pytester.makepyfile(
        """
        import sys

        def test_nothing():
            assert "_batchrepo_pytest" in sys.modules
            assert not {"batchrepo", "sqlalchemy", "pydantic", "aiodataloader"} & sys.modules.keys()
        """
    )
    run(subprocess=True).assert_outcomes(passed=1)


def test_it_works_without_pytest_asyncio(pytester, run):
    pytester.makepyfile(
        """
        def test_batches(batchrepo_batches):
            assert batchrepo_batches.sizes == []
        """
    )
    result = pytester.run(sys.executable, "-c", WITHOUT_PYTEST_ASYNCIO, *PLUGIN)
    result.assert_outcomes(passed=1)


def test_with_anyio_alone_the_rollback_works_too(pytester, run):
    pytester.makepyfile(
        """
        import pytest
        from sqlalchemy import func, select
        from tests.testing.library import Author, add, library

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_rollback(anyio_backend, batchrepo_rollback, tmp_path):
            async with library(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}") as db:
                session = await batchrepo_rollback(db)
                await add(session, range(6, 7))
                await session.commit()
                assert await session.scalar(select(func.count()).select_from(Author)) == 6
                # The library looks for connections in use when it ends; the fixture ends after it.
                await session.bind.close()
        """
    )
    result = pytester.run(sys.executable, "-c", WITHOUT_PYTEST_ASYNCIO, *PLUGIN, "-p", "anyio.pytest_plugin")
    result.assert_outcomes(passed=1)


def test_batches_are_those_of_one_test(pytester, run):
    pytester.makeconftest(LIBRARY)
    pytester.makepyfile(
        """
        import pytest
        from tests.testing.library import AuthorRepository

        @pytest.mark.asyncio
        @pytest.mark.parametrize("keys", [[1], [1, 2, 3]])
        async def test_batches(db, batchrepo_batches, keys):
            async with db.scope() as scope:
                await AuthorRepository(scope).get_many(keys)
            assert batchrepo_batches.sizes == [len(keys)]
        """
    )
    run(*ASYNCIO).assert_outcomes(passed=2)


def test_each_test_is_rolled_back(pytester, run):
    """One database for all tests, as an application has it; each test writes the same author."""
    pytester.makeconftest(
        """
        import asyncio
        import pytest, pytest_asyncio
        from batchrepo import Database
        from tests.testing.library import REPOSITORIES, fill

        @pytest.fixture(scope="session")
        def db(tmp_path_factory):
            url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('store') / 'test.db'}"

            async def make():
                async with Database(url) as making:
                    await fill(making.engine)

            asyncio.run(make())
            return Database(url, repositories=REPOSITORIES)

        @pytest_asyncio.fixture
        async def session(db, batchrepo_rollback):
            yield await batchrepo_rollback(db)
        """
    )
    pytester.makepyfile(
        """
        import pytest
        from tests.testing.library import AuthorRepository, add

        @pytest.mark.asyncio
        @pytest.mark.parametrize("turn", [1, 2, 3])
        async def test_write(db, session, turn):
            async with db.scope() as scope:
                assert await AuthorRepository(scope).count() == 5
            await add(session, range(6, 7))
            await session.commit()
            async with db.scope() as scope:
                assert await AuthorRepository(scope).count() == 6

        @pytest.mark.asyncio
        async def test_read(db):
            assert db.reading.connection is None
            async with db.scope() as scope:
                assert await AuthorRepository(scope).count() == 5
            await db.dispose()
        """
    )
    run(*ASYNCIO, "-v").assert_outcomes(passed=4)


def test_a_transaction_that_the_test_ended_is_an_error_of_the_test(pytester, run):
    pytester.makeconftest(LIBRARY)
    pytester.makepyfile(
        """
        import pytest
        from sqlalchemy import text

        @pytest.mark.asyncio
        async def test_commits(db, batchrepo_rollback):
            session = await batchrepo_rollback(db)
            await session.execute(text("COMMIT"))
        """
    )
    result = run(*ASYNCIO)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*was ended inside its block*"])


def test_another_event_loop_is_named(pytester, run):
    pytester.makeconftest(LIBRARY)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.asyncio(loop_scope="session")
        async def test_elsewhere(db, batchrepo_rollback):
            await batchrepo_rollback(db)
        """
    )
    result = run(*ASYNCIO)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*in another event loop than the fixture's*"])
