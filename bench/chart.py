"""A run as an SVG chart: each peer's time by fastlstm's, a group of bars per case on a log scale."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor, log10
from typing import Any
from xml.sax.saxutils import escape

from bench.engines import OURS, engine
from bench.report import SUBJECT, Row, engines, rows

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 860, 110, 80, 64, 34
BAR, GAP = 7, 9
# Okabe and Ito's colours, the last two Tol's: told apart by all eyes, on white and on black.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#999933", "#882255")
Across = Callable[[float], float]
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .small { font-size: 10px; }
  .grid { stroke: #8c959f; stroke-opacity: .35; }
  .one { stroke: #1f2328; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .one { stroke: #e6edf3; } }
"""


def svg(result: dict[str, Any], keys: list[str] | None = None) -> str:
    """The chart's text.

    Args:
        result: A run with fastlstm and at least one peer.
        keys: The peers to show; default all of the run.

    Raises:
        ValueError: There is no case with fastlstm and a peer.
    """
    peers = [key for key in keys or engines(result) if key not in OURS]
    shown = [row for row in rows(result) if SUBJECT in row.microseconds and set(peers) & set(row.microseconds)]
    if not shown:
        raise ValueError("The chart needs a case that ran on fastlstm and on a peer.")
    ratios = [ratio for row in shown for ratio in _ratios(row, peers).values()]
    low, high = min(0.5, *ratios), max(2.0, *ratios)
    scale = (WIDTH - LEFT - RIGHT) / log10(high / low)

    def across(ratio: float) -> float:
        return LEFT + scale * log10(ratio / low)

    group = len(peers) * BAR + GAP
    height = TOP + len(shown) * group + BOTTOM
    threads = f"{result['threads']} thread{'s' * (result['threads'] > 1)}"
    title = f"Time of one call by fastlstm's, {threads} (to the right: slower than fastlstm; log scale)"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text x="{LEFT}" y="18">{escape(title)}</text>',
        f'<text x="{WIDTH - 8}" y="39" text-anchor="end">best peer</text>',
        *_legend(peers),
        *_grid(low, high, across, height - BOTTOM),
    ]
    for n, row in enumerate(shown):
        parts += _bars(row, peers, across, TOP + n * group)
    parts.append(f'<line class="one" x1="{across(1):.1f}" x2="{across(1):.1f}" y1="{TOP - 8}" y2="{height - BOTTOM}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _ratios(row: Row, peers: list[str]) -> dict[str, float]:
    """Each peer's time by fastlstm's, of those that ran."""
    times = row.microseconds
    return {key: times[key] / times[SUBJECT] for key in peers if key in times}


def _legend(peers: list[str]) -> list[str]:
    parts, x = [], float(LEFT)
    for key, colour in zip(peers, COLOURS, strict=False):
        name = engine(key).name
        parts.append(f'<rect x="{x:.0f}" y="30" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{x + 15:.0f}" y="39">{escape(name)}</text>')
        x += 34 + 7 * len(name)
    return parts


def _grid(low: float, high: float, across: Across, bottom: float) -> list[str]:
    parts = []
    for power in range(floor(log10(low)), ceil(log10(high)) + 1):
        for ratio in (10.0**power, 2 * 10.0**power, 5 * 10.0**power):
            if low <= ratio <= high:
                x = f"{across(ratio):.1f}"
                parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{bottom}"/>')
                parts.append(f'<text class="small" x="{x}" y="{bottom + 16}" text-anchor="middle">{ratio:g}x</text>')
    return parts


def _bars(row: Row, peers: list[str], across: Across, top: float) -> list[str]:
    """From 1 to the right where the peer is slower, to the left where it is faster."""
    ratios = _ratios(row, peers)
    middle = f"{top + len(peers) * BAR / 2 + 4:.1f}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
    parts = [
        f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{escape(row.name)}</text>',
        f'<text x="{WIDTH - 8}" y="{middle}" text-anchor="end">{ratio}</text>',
    ]
    for n, (key, colour) in enumerate(zip(peers, COLOURS, strict=False)):
        if key not in ratios:
            continue
        begin, end = sorted((across(1), across(ratios[key])))
        note = escape(f"{engine(key).name}, {row.name}: {ratios[key]:.2f}x")
        parts.append(
            f'<rect x="{begin:.1f}" y="{top + n * BAR:.1f}" width="{end - begin:.1f}" height="{BAR - 1}" '
            f'fill="{colour}"><title>{note}</title></rect>'
        )
    return parts
