"""What the pages of both examples share: how they look, and how they measure what they link to."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template

_HERE = Path(__file__).parent
_SHARED = {
    "style": (_HERE / "page.css").read_text(encoding="utf-8"),
    "measuring": (_HERE / "page.js").read_text(encoding="utf-8"),
}


def page(layout: Path, sections: str) -> str:
    """A page.

    Args:
        layout: a file of HTML with places for `$style`, `$measuring` and `$sections`.
        sections: HTML.
    """
    return Template(layout.read_text(encoding="utf-8")).substitute(_SHARED, sections=sections)


def counted(statements: int, **data: str) -> str:
    """Where a page shows how many statements it takes, first as declared and then as measured.

    Args:
        statements: as declared.
        data: for the script of the page.
    """
    shown = "1 statement" if statements == 1 else f"{statements} statements"
    known = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    return f'<output{known} data-statements="{statements}"><strong>{shown}</strong><small></small></output>'
