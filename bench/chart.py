"""A run as an SVG chart: each engine's time by fastlstm's, a group of bars per case on a log scale.

The scale ends where the slowest peer's bar does: a longer one, of an engine beside the peers, is cut and its ratio
stands at its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any
from xml.sax.saxutils import escape

from bench.engines import OURS, PEERS, engine
from bench.report import SUBJECT, Row, engines, rows

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 940, 196, 122, 68, 34
BAR, GAP = 7, 9
# Okabe and Ito's colours, the last two Tol's: told apart by all eyes, on white and on black.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#999933", "#882255")
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .small { font-size: 10px; }
  .grid { stroke: #8c959f; stroke-opacity: .35; }
  .one { stroke: #1f2328; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .one { stroke: #e6edf3; } }
"""


@dataclass(frozen=True)
class Scale:
    """The ratios from one edge of the plot to the other."""

    low: float
    high: float

    def across(self, ratio: float) -> float:
        """Where a ratio is; one beyond the end is at the end."""
        return LEFT + (WIDTH - LEFT - RIGHT) * log10(min(ratio, self.high) / self.low) / log10(self.high / self.low)


@dataclass(frozen=True)
class Group:
    """Bars that belong together.

    Args:
        label: Beside them.
        note: In small below it.
        end: To the right of them.
        ratios: Of each bar the legend's name → its ratio; not all need to be there.
    """

    label: str
    note: str
    end: str
    ratios: dict[str, float]


def svg(result: dict[str, Any], keys: list[str] | None = None) -> str:
    """The chart's text.

    Args:
        result: A run with fastlstm and at least one peer.
        keys: The engines to show beside fastlstm; default all of the run.

    Raises:
        ValueError: There is no case with fastlstm and a peer.
    """
    others = [key for key in keys or engines(result) if key not in OURS]
    shown = [row for row in rows(result) if SUBJECT in row.microseconds and set(others) & set(row.microseconds)]
    if not shown:
        raise ValueError("The chart needs a case that ran on fastlstm and on a peer.")
    sizes = {case["name"]: _sizes(case) for case in result["cases"]}
    of_peers = [ratio for row in shown for ratio in _ratios(row, [*PEERS]).values()]
    groups = [
        Group(row.name, sizes[row.name], "" if row.ratio is None else f"{row.ratio:.2f}x", _ratios(row, others))
        for row in shown
    ]
    threads = f"{result['threads']} thread{'s' * (result['threads'] > 1)}"
    title = f"Time of one call by fastlstm's, {threads} (to the right: slower than fastlstm; log scale)"
    heads = ("batch × timesteps × features → units", "best peer")
    return drawn(title, heads, [engine(key).name for key in others], groups, max(of_peers, default=None))


def drawn(title: str, heads: tuple[str, str], legend: list[str], groups: list[Group], end: float | None = None) -> str:
    """A chart of groups of bars.

    Args:
        title: Of the chart.
        heads: Above what stands to the left and to the right of the bars.
        legend: Names of the bars, in their order.
        groups: At least one.
        end: The ratio where the scale ends, if it is to the right of 2; default the largest.
    """
    ratios = [ratio for group in groups for ratio in group.ratios.values()]
    scale = Scale(min([0.5, *ratios]), max(2.0, *(ratios if end is None else [end])))
    pitch = len(legend) * BAR + GAP
    height = TOP + len(groups) * pitch + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text x="{LEFT}" y="18">{escape(title)}</text>',
        f'<text class="small" x="8" y="{TOP - 14}">{escape(heads[0])}</text>',
        f'<text x="{WIDTH - 8}" y="{TOP - 14}" text-anchor="end">{escape(heads[1])}</text>',
        *_legend(legend),
        *_grid(scale, height - BOTTOM),
    ]
    for n, group in enumerate(groups):
        parts += _bars(group, legend, scale, TOP + n * pitch)
    one = f"{scale.across(1):.1f}"
    parts.append(f'<line class="one" x1="{one}" x2="{one}" y1="{TOP - 8}" y2="{height - BOTTOM}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _sizes(case: dict[str, Any]) -> str:
    """What a case is, such as 1 × 60 × 1 → 50 × 4."""
    units = case["units"]
    layers = f"{units[0]} × {len(units)}" if len(set(units)) == 1 and len(units) > 1 else ", ".join(map(str, units))
    return f"{case['batch']} × {case['timesteps']} × {case['features']} → {layers}"


def _ratios(row: Row, others: list[str]) -> dict[str, float]:
    """Each engine's time by fastlstm's, of those that ran, by the engine's name."""
    times = row.microseconds
    return {engine(key).name: times[key] / times[SUBJECT] for key in others if key in times}


def _legend(names: list[str]) -> list[str]:
    parts, x = [], float(LEFT)
    for name, colour in zip(names, COLOURS, strict=False):
        parts.append(f'<rect x="{x:.0f}" y="30" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{x + 15:.0f}" y="39">{escape(name)}</text>')
        x += 34 + 7 * len(name)
    return parts


def _grid(scale: Scale, bottom: float) -> list[str]:
    parts = []
    for power in range(floor(log10(scale.low)), ceil(log10(scale.high)) + 1):
        for ratio in (10.0**power, 2 * 10.0**power, 5 * 10.0**power):
            if scale.low <= ratio <= scale.high:
                x = f"{scale.across(ratio):.1f}"
                parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{bottom}"/>')
                parts.append(f'<text class="small" x="{x}" y="{bottom + 16}" text-anchor="middle">{ratio:g}x</text>')
    return parts


def _bars(group: Group, legend: list[str], scale: Scale, top: float) -> list[str]:
    """From 1 to the right where what a bar stands for is slower, to the left where it is faster."""
    middle = top + len(legend) * BAR / 2
    parts = [
        f'<text x="{LEFT - 8}" y="{middle - 1:.1f}" text-anchor="end">{escape(group.label)}</text>',
        f'<text class="small" x="{LEFT - 8}" y="{middle + 11:.1f}" text-anchor="end">{escape(group.note)}</text>',
        f'<text x="{WIDTH - 8}" y="{middle + 4:.1f}" text-anchor="end">{group.end}</text>',
    ]
    for n, (name, colour) in enumerate(zip(legend, COLOURS, strict=False)):
        if name not in group.ratios:
            continue
        ratio = group.ratios[name]
        begin, end = sorted((scale.across(1), scale.across(ratio)))
        note = escape(f"{name}, {group.label}: {ratio:.2f}x")
        parts.append(
            f'<rect x="{begin:.1f}" y="{top + n * BAR:.1f}" width="{end - begin:.1f}" height="{BAR - 1}" '
            f'fill="{colour}"><title>{note}</title></rect>'
        )
        if ratio > scale.high:
            parts.append(f'<text class="small" x="{end + 3:.1f}" y="{top + n * BAR + 7:.1f}">{ratio:,.0f}x</text>')
    return parts
