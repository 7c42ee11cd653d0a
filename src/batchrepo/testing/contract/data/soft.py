"""Data for soft keys: to nothing, to one row, to several."""

from __future__ import annotations

from hypothesis import strategies as st

from batchrepo.testing.contract.data.building import KEYS, NAMES, Rows, keyed, names, ranks, table

SAMPLE: Rows = {
    "customer": table("id email", (1, "a@x"), (2, "a@x"), (0, ""), (3, None), (4, "A@x"), (5, "idle@x")),
    "ticket": table(
        "id subject customer_email owner_id",
        (1, "same", "a@x", 1),
        (2, "same", "a@x", 0),
        (3, "other", "", 99),
        (4, "lost", "gone@x", -1),
        (5, "none", None, None),
        (6, "case", "A@x", 3),
    ),
    "stock": table(
        "id warehouse sku",
        (1, "w", 1),
        (2, "w", 1),
        (3, "w", 2),
        (4, "v", 1),
        (5, None, 1),
        (6, "w", None),
        (0, "", 0),
    ),
    "movement": table(
        "id warehouse sku amount",
        (1, "w", 1, 5),
        (2, "w", 1, 5),
        (3, "w", 1, 9),
        (4, "v", 2, 1),
        (5, "v", 1, 0),
        (6, None, 1, 1),
        (7, "w", None, 1),
        (8, "", 0, 1),
        (9, None, None, 1),
    ),
}
"""Several customers with one address, dangling keys, half-NULL pairs on both sides, pairs that are mixtures."""

EMAILS = st.none() | st.sampled_from(NAMES[:5])
WAREHOUSES = st.sampled_from([None, "", "w", "v"])


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Any small set of customers, tickets and stocks; no key is checked by the database."""
    return {
        "customer": draw(keyed("id", email=EMAILS)),
        "ticket": draw(
            keyed(
                "id",
                at_most=7,
                subject=names,
                customer_email=EMAILS,
                owner_id=st.none() | st.sampled_from((*KEYS, 99)),
            )
        ),
        "stock": draw(keyed("id", warehouse=WAREHOUSES, sku=ranks)),
        "movement": draw(keyed("id", at_most=7, warehouse=WAREHOUSES, sku=ranks, amount=st.integers(0, 2))),
    }
