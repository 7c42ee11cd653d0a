"""Data for generic keys."""

from __future__ import annotations

from hypothesis import strategies as st

from batchrepo.testing.contract.data.building import KEYS, Rows, keyed, names, table

SAMPLE: Rows = {
    "photo": table("id caption", (1, "p1"), (0, "p0"), (2, "bare")),
    "video": table("id title", (1, "v1"), (3, "v3")),
    "comment": table(
        "id entity_type entity_id body",
        (1, "photo", 1, "first"),
        (2, "photo", 1, "second"),
        (3, "video", 1, "same key, another table"),
        (4, "photo", 0, "key nought"),
        (5, "photo", 3, "a video's key"),
        (6, "video", 99, "dangling"),
        (7, None, 1, "no type"),
        (8, "photo", None, "no key"),
        (9, "Photo", 1, "a type in another case"),
    ),
}
"""Equal keys in both tables, dangling keys, halves of keys, unknown types."""


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Any small set of photos, videos and comments."""
    return {
        "photo": draw(keyed("id", caption=names)),
        "video": draw(keyed("id", title=names)),
        "comment": draw(
            keyed(
                "id",
                at_most=6,
                entity_type=st.sampled_from(["photo", "video", None, "Photo"]),
                entity_id=st.none() | st.sampled_from(KEYS),
                body=names,
            )
        ),
    }
