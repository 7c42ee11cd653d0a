"""A few shapes of SVG, written by hand: no library draws these pictures, and they differ only where numbers do.

A picture lies on a card of its own, so that it can be read on any page; where the reader's system is dark, so is the card.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif"

LIGHT = {
    "card": "#ffffff",
    "edge": "#d8dee4",
    "text": "#1f2328",
    "quiet": "#59636e",
    "grid": "#e6eaef",
    "ours": "#0b6bcb",
    "hand": "#5f8f4e",
    "others": "#b8722c",
    "floor": "#8c959f",
}
"""Colours by role. Those of sorts of stacks have the same lightness and differ for colour-blind readers too."""

DARK = {
    "card": "#15191f",
    "edge": "#333b45",
    "text": "#e6edf3",
    "quiet": "#9aa5b1",
    "grid": "#262d36",
    "ours": "#58a6ff",
    "hand": "#86c06c",
    "others": "#e3a05a",
    "floor": "#7d8794",
}


def picture(width: float, height: float, title: str, told: str, shapes: Iterable[str]) -> str:
    """A whole file.

    Args:
        width: in pixels, as is the height.
        height: of the card.
        title: for readers who do not see it.
        told: what it shows, in a sentence or two, for the same.
        shapes: what is on the card.
    """
    body = "\n".join(shapes)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" \
height="{height:g}" role="img" aria-labelledby="title desc">
<title id="title">{escape(title)}</title>
<desc id="desc">{escape(told)}</desc>
<style>
text {{ font-family: {FONT}; font-size: 13px }}
{_colours(LIGHT)}
@media (prefers-color-scheme: dark) {{
{_colours(DARK)}
}}
</style>
<rect class="fill-card line-edge" x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" rx="10"/>
{body}
</svg>
"""


def _colours(palette: dict[str, str]) -> str:
    return "\n".join(
        f".fill-{role} {{ fill: {colour} }} .line-{role} {{ stroke: {colour} }}"
        for role, colour in palette.items()
    )


def text(
    x: float,
    y: float,
    said: str,
    role: str = "text",
    *,
    size: float = 13,
    anchor: str = "start",
    bold: bool = False,
) -> str:
    """A line of text, whose baseline begins, has its middle or ends at a point."""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text class="fill-{role}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        f' style="font-size: {size:g}px"{weight}>{escape(said)}</text>'
    )


def pair(x: float, y: float, first: str, second: str) -> str:
    """A bold word and a quiet one behind it."""
    return (
        f'<text class="fill-text" x="{x:.1f}" y="{y:.1f}"><tspan font-weight="600">{escape(first)}</tspan>'
        f'<tspan class="fill-quiet" dx="7" style="font-size: 12px">{escape(second)}</tspan></text>'
    )


def line(x1: float, y1: float, x2: float, y2: float, role: str, *, width: float = 1, dashed: str = "") -> str:
    """A straight line."""
    dashes = f' stroke-dasharray="{dashed}"' if dashed else ""
    return (
        f'<line class="line-{role}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        f' stroke-width="{width:g}"{dashes}/>'
    )


def path(points: Iterable[tuple[float, float]], role: str, *, width: float = 2, dashed: str = "") -> str:
    """Straight lines from point to point."""
    places = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dashes = f' stroke-dasharray="{dashed}"' if dashed else ""
    return (
        f'<path class="line-{role}" d="M{places}" fill="none" stroke-width="{width:g}"'
        f' stroke-linejoin="round"{dashes}/>'
    )


def bar(x: float, y: float, width: float, height: float, role: str) -> str:
    """A bar to the right, with a rounded end."""
    round_ = min(3.0, width / 2)
    return (
        f'<path class="fill-{role}" d="M{x:.1f} {y:.1f} h{width - round_:.1f} q{round_:g} 0 {round_:g} {round_:g}'
        f' v{height - 2 * round_:.1f} q0 {round_:g} {-round_:g} {round_:g} h{round_ - width:.1f} z"/>'
    )


def dot(x: float, y: float, role: str, radius: float = 3.5) -> str:
    """A point of a line."""
    return f'<circle class="fill-{role}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>'
