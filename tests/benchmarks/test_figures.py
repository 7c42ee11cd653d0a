"""The page, the pictures and README's tables are what `results.json` gives, and can be read."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from benchmarks.figures.bars import CUT, PANELS, bars, bars_of
from benchmarks.figures.files import README, ROOT, figures
from benchmarks.figures.growing import APART, growing, spread_apart
from benchmarks.figures.page import page
from benchmarks.figures.readme import BEGIN, END, TABLES, with_tables
from benchmarks.figures.svg import DARK, LIGHT
from benchmarks.results import Record, Results, read

SVG = "{http://www.w3.org/2000/svg}"


def test_all_files_are_what_the_results_give():
    """If this fails, run `python -m benchmarks.figures`."""
    made = figures(read(), (ROOT / README).read_text(encoding="utf-8"))
    assert len(made) == 4
    stale = [name for name, text in made.items() if (ROOT / name).read_text(encoding="utf-8") != text]
    assert stale == []


def list_of(**medians: float) -> list[Record]:
    return [
        {
            "workload": "nested_list",
            "stack": stack,
            "baseline": "core",
            "median_ms": value,
            "spread": [1.0, 9.0],
        }
        for stack, value in medians.items()
    ]


def growth_of(stack: str, **costs: float) -> list[Record]:
    points = [
        {"workload": "growth", "stack": stack, "parents": int(size[1:]), "median_ms": cost, "statements": 5}
        for size, cost in costs.items()
    ]
    exponents = {"exponent": 0.9, "exponent_settled": 1.01, "local_exponents": [0.8, 1.02]}
    return [*points, {"workload": "growth", "stack": stack, **exponents}]


LIST = list_of(batchrepo_single=2.0, core=5.0, naive_loop=200.0)
HTTP = [
    {"workload": "nested_http", "stack": stack, "baseline": "fastapi_selectinload", "requests_per_s": rate}
    for stack, rate in (("batchrepo", 300.0), ("fastapi_selectinload", 50.0))
]
TARGETS = [
    {"workload": "nested_list", "target": "one <= 1", "value": 0.5, "met": True},
    {"workload": "nested_list", "target": "two <= 1", "value": 1.5, "met": False},
    {"workload": "nested_list", "target": "three <= 1", "value": None, "met": None},
]
GROWTH = [
    *growth_of("batchrepo_auto", n10=1, n100=6, n1000=60),
    *growth_of("batchrepo_json", n10=2, n100=8, n1000=61),
    *growth_of("naive_loop", n10=40, n100=400),
]
RUN = {
    "date": "2026-01-02",
    "cpu": "A",
    "cores": 2,
    "system": "S",
    "python": "3",
    "postgresql": "15",
    "scale": 1,
}
MEASURED = Results(
    [
        RUN | {"packages": {"sqlalchemy": "2.1.9"}, "workloads": {
            "nested_list": {"title": "a list", "stacks": {"core": "by hand"}, "rounds": 9, "busy": 0.0},
            "growth": {"title": "growth", "stacks": {}, "rounds": 9, "busy": 0.9},
        }},
        RUN | {"date": "2025-01-01", "cpu": None, "packages": {}, "workloads": {
            "nested_http": {"title": "over HTTP", "stacks": {}, "rounds": None, "busy": None},
        }},
    ],
    [*LIST, *TARGETS, *GROWTH, *HTTP],
)  # fmt: skip


def test_bars_say_how_many_times_as_long_as_ours_the_shortest_first():
    found = bars_of(PANELS[0], LIST)
    assert [(bar.stack, bar.times) for bar in found] == [
        ("batchrepo_single", 1),
        ("core", 2.5),
        ("naive_loop", 100),
    ]
    assert [(bar.stack, bar.times) for bar in bars_of(PANELS[2], HTTP)] == [
        ("batchrepo", 1),
        ("fastapi_selectinload", 6),
    ]
    assert bars_of(PANELS[1], []) == []


@pytest.mark.parametrize("draw", [bars, growing])
def test_a_picture_says_the_same_in_words_and_has_colours_for_light_and_dark(draw):
    root = ET.fromstring(draw(MEASURED))
    assert root.get("role") == "img"
    said = {child.get("id"): child.text for child in root if child.get("id")}
    assert (root.get("aria-labelledby") or "").split() == list(said)
    assert all(said.values())
    assert "400.0" in said["desc"] if draw is growing else "100.0 times (200.0 ms)" in said["desc"]
    style = root.findtext(f"{SVG}style") or ""
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    for palette, part in ((LIGHT, light), (DARK, dark)):
        assert all(f".fill-{role} {{ fill: {colour} }}" in part for role, colour in palette.items())
    roles = {each.get("class") for each in root.iter(f"{SVG}text")}
    assert roles <= {f"fill-{role}" for role in LIGHT}


@pytest.mark.parametrize("draw", [bars, growing])
def test_nothing_is_drawn_beside_the_card_and_no_two_lines_of_text_begin_at_one_place(draw):
    root = ET.fromstring(draw(MEASURED))
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    places = [(float(each.get("x", -1)), float(each.get("y", -1))) for each in root.iter(f"{SVG}text")]
    assert places
    assert all(0 < x < width and 0 < y < height for x, y in places)
    assert len(set(places)) == len(places)


def test_a_bar_that_is_too_long_is_cut_off_visibly_and_says_its_number():
    drawn = bars(MEASURED)
    assert drawn.count('class="line-card"') == 2, "two strokes through one bar"
    assert CUT < 100
    assert ">100\N{MULTIPLICATION SIGN}</tspan>" in drawn


def test_names_of_lines_are_apart_and_in_order():
    places = [100.0, 101.0, 102.0, 300.0, 301.0]
    moved = spread_apart(places)
    assert [after - before >= APART - 1e-9 for before, after in pairwise(moved)] == [True] * 4
    assert sum(moved) == pytest.approx(sum(places)), "no group moves away from its lines"
    assert spread_apart([10.0, 200.0]) == [10, 200]


def test_pictures_of_nothing_are_pictures():
    assert ET.fromstring(bars(Results())).tag == f"{SVG}svg"
    assert "Not measured yet." in growing(Results())


def test_the_page_says_what_was_missed_when_each_workload_was_measured_and_what_was_busy():
    text = page(MEASURED)
    assert "3 targets: 1 met, 1 missed, 1 not measured" in text
    assert "| [`nested_list`](#nested_list) | two <= 1 | 1.50 |" in text
    assert "A list. Measured 2026-01-02, 9 rounds; the machine had nothing else to do." in text
    assert "Growth. Measured 2026-01-02, 9 rounds; **the machine was busy** with 90%" in text
    assert (
        "Over HTTP. Measured 2025-01-01, rounds not recorded; how busy the machine was is not recorded."
        in text
    )
    assert "| 2025-01-01 | not recorded | not recorded | 1 | nested_http |" in text
    assert "| `naive_loop` | 200.0 | 1.00 .. 9.00 | 40.0 |" in text
    assert "| `batchrepo_auto` | 1.00 | 6.00 | 60.0 | 5 5 5 | 0.90 | 1.01 | 0.80 1.02 |" in text
    assert "| `fastapi_selectinload` | 50 | 1.00 |" in text


def test_only_what_stands_between_the_marks_of_the_readme_changes():
    readme = "".join(f"before {name}\n{BEGIN.format(name)}\nold\n{END}\nafter\n" for name in TABLES)
    made = with_tables(readme, MEASURED)
    assert made.count("before") == made.count("after") == made.count(END) == len(TABLES)
    assert "old" not in made
    assert "| batchrepo | 2.00 | | 300 |" in made
    assert with_tables(made, MEASURED) == made


def test_a_readme_without_its_marks_is_refused():
    with pytest.raises(ValueError, match="expected marks"):
        with_tables("no marks", MEASURED)
