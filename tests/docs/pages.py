"""The project's pages, and the code in them."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("*.md")])
"""Every page that is written for readers."""


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def python_blocks(page: Path) -> list[str]:
    """The blocks of a page that are marked as Python, in their order."""
    return re.findall(r"^```python\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


def code_spans(text: str) -> list[str]:
    """What stands between single backticks outside of blocks; a line break in it is a space."""
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", outside)]


async def names_of(page: Path, *, skip: str = "", **given: Any) -> dict[str, Any]:
    """The names that a page's Python blocks define, run one after the other as in a coroutine.

    Args:
        page: the page.
        skip: a block that has run already.
        given: names of the reader's own.
    """
    names = {"__name__": page.stem, **given}
    for block in python_blocks(page):
        if block != skip:
            await run_block(block, page, names)
    return names


async def run_block(block: str, page: Path, names: dict[str, Any]) -> None:
    """Run a block of a page as in a coroutine; what it defines is in `names` afterwards."""
    code = compile(block, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, names)
    if inspect.isawaitable(result):
        await result
