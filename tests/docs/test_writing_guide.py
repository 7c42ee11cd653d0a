"""What docs/writing.md says of updates and deletes happens, on both databases."""

from typing import Any

from tests.docs.pages import ROOT, python_blocks, run_block

PAGE = ROOT / "docs" / "writing.md"


async def test_what_the_page_shows_of_updates_and_deletes(database_url):
    names: dict[str, Any] = {"url": database_url}
    try:
        for block in python_blocks(PAGE):
            await run_block(block, PAGE, names)
    finally:
        await names["store"].dispose()
    assert (names["updated"].count, names["updated"].rows) == (2, [2, 1])
    assert (names["raised"].count, names["deleted"].count, names["deleted_too"].count) == (2, 2, 1)
    refused = names["refused"]
    assert (refused.index, refused.kind, refused.key, refused.columns) == (1, "unique", 3, ("ref",))
    collected = names["collected"]
    assert (collected.count, [error.key for error in collected.errors]) == (1, [3])
    assert [(error.kind, error.key) for error in names["stale"]] == [("stale", 4)]
    assert names["nothing"].count == 0
    assert [(error.index, error.kind) for error in names["forbidden"]] == [(0, "forbidden")]
    assert names["made"] == names["DocumentView"](id=20, folder_id=1, title="In a folder")
    assert names["closed"].keys == (2,)
    assert (names["seen"], names["with_deleted"], names["gone"].count) == (6, 9, 1)
