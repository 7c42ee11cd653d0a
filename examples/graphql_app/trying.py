"""The page at `/queries`: queries to try."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from examples.graphql_app.queries import EXAMPLES, Example
from examples.pages import counted, page

PATH = "/queries"
"""Where the page is."""


def graphiql(query: str, variables: str = "") -> str:
    """The link that opens a query in GraphiQL; a program that follows it gets the answer."""
    given = {"query": query, **({"variables": variables} if variables else {})}
    return f"/graphql?{urlencode(given, quote_via=quote)}"


def create_router() -> APIRouter:
    """The page."""
    router = APIRouter(include_in_schema=False)
    shown = page(
        Path(__file__).with_name("queries.html"),
        "\n".join(_section(title, examples) for title, examples in EXAMPLES.items()),
    )

    @router.get(PATH, response_class=HTMLResponse)
    async def queries() -> str:
        """Queries to try, each with the number of statements that it takes."""
        return shown

    return router


def _section(title: str, examples: Sequence[Example]) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n<ul>\n{''.join(map(_item, examples))}</ul>\n</section>"


def _item(example: Example) -> str:
    variables = json.dumps(example.variables) if example.variables else ""
    text = re.sub("`(.+?)`", r"<code>\1</code>", escape(example.text))
    code = "" if example.code is None else f" <b>{example.code}</b>"
    return f"""<li><details data-variables="{escape(variables)}">
<summary><span>{escape(example.title)}</span>{counted(example.statements)}<p>{text}{code}</p></summary>
<div class="shown">
<div><h3>Query</h3>
<pre tabindex="0"><code class="query">{escape(example.query)}</code></pre>
{_variables(variables)}<p class="link"><a href="{escape(graphiql(example.query, variables))}">Open it in GraphiQL</a></p></div>
<div><h3>Answer</h3>
<pre tabindex="0"><code class="answer"></code></pre></div>
<div class="sql" hidden><h3>Statements</h3><ol></ol></div>
</div>
</details></li>
"""


def _variables(variables: str) -> str:
    return f'<p class="link">with <code>{escape(variables)}</code></p>\n' if variables else ""
