"""The table of the parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.parts.sections import WAYS

Part = Callable[[Mapping[str, float]], float]

PARTS: dict[str, Part] = {
    "scope opened and closed": lambda s: s["scope"],
    "connection taken from the pool and returned": lambda s: s["checkout"] - s["scope"],
    "statements: the driver": lambda s: s["driver"],
    "statements: what is around the driver": lambda s: s["statements"] - s["checkout"] - s["driver"],
    "rows to dicts": lambda s: s["rows"],
    "keys, grouping, attaching": lambda s: s["grouping"] - s["rows"],
    "JSON": lambda s: s["serialisation"],
}
"""Parts that add up to a request, with the rest."""

INSIDE: dict[str, Part] = {
    "cache key and compiled form (SQLAlchemy's way only)": lambda s: s["lookup"],
    "one greenlet for each statement (SQLAlchemy's way only)": lambda s: s["greenlets"],
    "validation by Pydantic (`find` instead of `find_json`)": lambda s: s["validation"],
}
"""What is inside of a part, or is not in this request."""


def table(counted: Mapping[str, float]) -> str:
    """A Markdown table, in thousand instructions of a request."""
    ways = {
        way: {name.removeprefix(f"{way}: "): value for name, value in counted.items() if name.startswith(way)}
        for way in WAYS
    }
    lines = [f"| part | {' | '.join(ways)} |", f"|---|{'---:|' * len(ways)}"]

    def line(name: str, values: list[float]) -> None:
        lines.append(f"| {name} | {' | '.join(f'{value:,.0f}' for value in values)} |")

    for name, part in PARTS.items():
        line(name, [part(sections) for sections in ways.values()])
    line(
        "the rest: arguments, plan, root statement",
        [s["request"] - sum(part(s) for part in PARTS.values()) for s in ways.values()],
    )
    line("**the request**", [sections["request"] for sections in ways.values()])
    for name, part in INSIDE.items():
        line(f"*{name}*", [part(sections) for sections in ways.values()])
    begun = counted["one: transaction"] - counted["one: autocommit"]
    return "\n".join([*lines, "", f"BEGIN and ROLLBACK, which reading engines do not send: {begun:,.0f}"])
