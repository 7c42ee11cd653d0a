"""A plug without its framework, and the core without any."""

from __future__ import annotations

import subprocess
import sys

import pytest

from batchrepo.integrations.extras import require


def test_what_is_installed_is_not_refused():
    require("sys", name="Python", extra="python")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'batchrepo\[none\]'"):
        require("no_such_module", name="None", extra="none")


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("extra", "name"), [("fastapi", "FastAPI"), ("strawberry", "Strawberry")])
def test_a_missing_framework_is_a_sentence_with_the_line_that_installs_it(extra, name):
    result = run(f"import sys; sys.modules[{extra!r}] = None; import batchrepo.integrations.{extra}")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        f"ModuleNotFoundError: batchrepo.integrations.{extra} needs {name}, which is not installed. "
        f"Install it with: pip install 'batchrepo[{extra}]'"
    )


def test_the_core_imports_no_framework():
    result = run(
        "import sys, batchrepo; "
        "print([n for n in ('fastapi', 'starlette', 'strawberry', 'graphql', 'rich') if n in sys.modules])"
    )
    assert (result.stdout.strip(), result.stderr) == ("[]", "")
