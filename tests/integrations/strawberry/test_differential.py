"""Any document: by one statement, passed through, with look-ahead alone, without all of it, and by the oracle the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.criteria.models import Chapter, Member, Page
from tests.criteria.rows import SITES, View
from tests.integrations.strawberry.documents import documents
from tests.integrations.strawberry.sites import Sites

pytestmark = pytest.mark.asyncio(loop_scope="module")


def keys_seen(site: int) -> dict[str, list[str]]:
    """Arguments for root fields: keys that are there, that are not, that another site has."""
    sees = View(site)
    members = sees.keys(Member)
    return {
        "page": [f"id: {key}" for key in (*sees.keys(Page)[:4], *View(3 - site).keys(Page)[:1], 0)],
        "member": [f"id: {key}" for key in (*members[:4], -1)],
        "chapter": [
            f"pageId: {page}, number: {number}" for page, number in (*sees.keys(Chapter)[:4], (0, 0))
        ],
        "membersOf": [f"ids: [{', '.join(map(str, keys))}]" for keys in ([], members[:3], members[:1] * 2)],
    }


KEYS = {site: keys_seen(site) for site in SITES}


@settings(
    max_examples=40,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(data=st.data(), site=st.sampled_from(SITES))
async def test_any_document(sites: Sites, data: st.DataObject, site: int):
    document = data.draw(documents(sites.ahead._schema, KEYS[site], sites.cursors[site]))
    errors = await sites.check(document, site)
    event("refused" if document.refused else "an error" if errors else "no error")
