"""A run as a table: on the terminal and in Markdown. Losses stay in."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import geometric_mean, median
from typing import Any

from rich.markup import escape
from rich.table import Table

from bench.engines import OTHERS, PEERS, engine

SUBJECT = "fastlstm"
# Rounds that differ by more are marked `~`: the machine was in two minds.
SPREAD = 1.25


@dataclass(frozen=True)
class Row:
    """One case in figures; what was not measured is None.

    Args:
        name: Of the case.
        microseconds: engine → median of the rounds.
        spread: engine → slowest round by the fastest.
        error: Largest error of fastlstm.
        limit: The physical limit in microseconds.
    """

    name: str
    microseconds: dict[str, float]
    spread: dict[str, float]
    error: float | None
    limit: float

    @property
    def best_peer(self) -> str | None:
        peers = {key: value for key, value in self.microseconds.items() if key in PEERS}
        return min(peers, key=peers.__getitem__, default=None)

    @property
    def ratio(self) -> float | None:
        """How many times the best peer's time is fastlstm's; under 1 is a loss."""
        return None if self.best_peer is None else self.against(self.best_peer)

    def against(self, key: str) -> float | None:
        """How many times an engine's time is fastlstm's."""
        if SUBJECT not in self.microseconds or key not in self.microseconds:
            return None
        return self.microseconds[key] / self.microseconds[SUBJECT]

    @property
    def share_of_limit(self) -> float | None:
        return self.limit / self.microseconds[SUBJECT] if SUBJECT in self.microseconds else None


def rows(result: dict[str, Any]) -> list[Row]:
    """The run's cases."""
    made = []
    for case in result["cases"]:
        timed = {key: value["microseconds"] for key, value in case["engines"].items() if value.get("microseconds")}
        made.append(
            Row(
                case["name"],
                {key: median(times) for key, times in timed.items()},
                {key: max(times) / min(times) for key, times in timed.items()},
                case["engines"].get(SUBJECT, {}).get("error"),
                case["limit"],
            )
        )
    return made


def engines(result: dict[str, Any]) -> list[str]:
    """The run's engines in its order."""
    return list(result["versions"])


def cells(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headings, and the table's rows with the best peer in `**`; the last one holds each engine's largest error."""
    keys = engines(result)
    headings = ["case", *(engine(key).name for key in keys), "limit", "ratio", "of limit", "error"]
    body = []
    for row in rows(result):
        times = [_time(row, key) for key in keys]
        share = "" if row.share_of_limit is None else f"{row.share_of_limit:.0%}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
        error = "" if row.error is None else f"{row.error:.1e}"
        body.append([row.name, *times, _figure(row.limit), ratio, share, error])
    worst = [max((c["engines"][key].get("error", 0.0) for c in result["cases"]), default=0.0) for key in keys]
    body.append(["largest error", *(f"{error:.1e}" if error else "" for error in worst), "", "", "", ""])
    return headings, body


def _time(row: Row, key: str) -> str:
    if key not in row.microseconds:
        return "failed"
    text = _figure(row.microseconds[key]) + ("~" if row.spread[key] > SPREAD else "")
    return f"**{text}**" if key == row.best_peer else text


def _figure(microseconds: float) -> str:
    return f"{microseconds:,.0f}" if microseconds >= 100 else f"{microseconds:.3g}"


def notes(result: dict[str, Any]) -> list[str]:
    """What the table needs beside it: machine, unit, means, versions, failures."""
    machine = result["machine"]
    levels = ", ".join(f"{level['name']} {level['bytes_per_second'] / 1e9:.0f} GB/s" for level in machine["levels"])
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, {result['date']}. One core: "
        f"{machine['flops_per_second'] / 1e9:.0f} GFLOP/s, {levels}.",
        f"Microseconds per call, {result['threads']} thread(s), median of {result['rounds']} interleaved rounds; `~` "
        f"where rounds differ by more than {SPREAD - 1:.0%}. Best peer in bold; ratio: its time by fastlstm's.",
    ]
    sequences = [c["timesteps"] > 3 for c in result["cases"]]
    whole = [row for row, is_sequence in zip(rows(result), sequences, strict=True) if is_sequence]
    for what, values in (
        ("ratio", [row.ratio for row in whole]),
        ("share of the limit", [row.share_of_limit for row in whole]),
    ):
        known = [value for value in values if value]
        if known:
            lines.append(f"Geometric mean over the cases of more than 3 steps, {what}: {geometric_mean(known):.2f}.")
    for key in engines(result):
        times = [(row.name, row.against(key)) for row in rows(result)]
        beside = [f"{name} {ratio:.2f}x" for name, ratio in times if ratio is not None]
        if key in OTHERS and beside:
            lines.append(f"{engine(key).name}, no part of the ratio, its time by fastlstm's: {', '.join(beside)}.")
    for key, answer in result["versions"].items():
        lines.append(f"{engine(key).name}: {versions(answer)}.")
    for case in result["cases"]:
        for key, value in case["engines"].items():
            if "failed" in value:
                lines.append(f"{case['name']} on {engine(key).name} failed: {value['failed']}")
    return lines


def versions(answer: dict[str, Any]) -> str:
    """A worker's answer on its versions in one line."""
    return answer.get("failed") or ", ".join(f"{name} {version}" for name, version in answer["versions"].items())


def console(result: dict[str, Any]) -> Table:
    """The table for a terminal; losses in red."""
    headings, body = cells(result)
    table = Table(caption=escape("\n".join(notes(result))), caption_justify="left")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "case" else "right")
    losses = {row.name for row in rows(result) if row.ratio is not None and row.ratio < 1}
    for name, *texts in body:
        marked = [f"[bold]{text.strip('*')}[/bold]" if text.startswith("**") else text for text in texts]
        table.add_row(name, *marked, style="red" if name in losses else None, end_section=name == body[-2][0])
    return table


def markdown(result: dict[str, Any]) -> str:
    """The table and its notes for README files."""
    headings, body = cells(result)
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *body]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return table + "\n\n" + "\n".join(f"- {line}" for line in notes(result)) + "\n"
