"""The page of queries shows each of them as it is, and opens it where it can be changed."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

from examples.graphql_app.queries import EXAMPLES
from examples.graphql_app.trying import PATH

EVERY_EXAMPLE = [example for examples in EXAMPLES.values() for example in examples]


async def test_the_page_shows_every_query_and_its_statements(http):
    shown = (await http.get(PATH)).text
    queries = [unescape(text) for text in re.findall(r'<code class="query">(.*?)</code>', shown, re.DOTALL)]
    assert queries == [example.query for example in EVERY_EXAMPLE]
    counted = re.findall(r'<output data-statements="(\d+)">', shown)
    assert [int(number) for number in counted] == [example.statements for example in EVERY_EXAMPLE]
    assert "//" not in shown  # nothing comes from elsewhere


async def test_its_links_open_the_queries_in_graphiql(store, http):
    shown = (await http.get(PATH)).text
    links = [unescape(link) for link in re.findall(r'<a href="(/graphql\?[^"]*)">', shown)]
    assert [parse_qs(urlsplit(link).query)["query"] for link in links] == [
        [example.query] for example in EVERY_EXAMPLE
    ]
    for link, example in zip(links, EVERY_EXAMPLE, strict=True):
        if example.query.startswith("mutation"):  # by POST only, as GraphiQL sends it
            refused = await http.get(link, headers={"Accept": "application/json"})
            assert refused.status_code == 400, link
            continue
        answer = await http.get(link, headers={"Accept": "application/json"})
        assert ("errors" in answer.json()) is (example.code is not None), link
        expected = example.statements_in(store.engine.dialect.name)
        assert answer.headers.get("X-Statements", "0") == str(expected)


async def test_the_page_of_links_leads_to_it(http):
    assert f'<a href="{PATH}">' in (await http.get("/")).text
