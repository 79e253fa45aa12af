"""The page of a fitted estimator: its data, how it learned, how good it is, and pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from tapehead.inspection.measures import Curve
from tapehead.inspection.report.charts import chart
from tapehead.inspection.report.content import Tile
from tapehead.inspection.report.page import confusion_table, document, figure, lead, section, title

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""The names of the columns, and the rows."""


@dataclass
class Fan:
    """A forecast beside what came before it and what came.

    **Attributes:**

    - `name`: of the series.
    - `before`, `after`: the values up to the forecast, and those that came.
    - `quantiles`: `(horizon, levels)`, rising; `middle` is the place of the median.
    - `paths`: `(paths, horizon)`, ways on that are all equally likely.
    """

    name: str
    before: np.ndarray
    after: np.ndarray
    quantiles: np.ndarray
    middle: int
    paths: np.ndarray


@dataclass
class ClusterMap:
    """Sequences as points of a plane, and the clusters that they are in.

    **Attributes:**

    - `points`: `(sequences, 2)`.
    - `labels`: the cluster of each, from 0; below 0 where it is in none.
    - `shown`: how much of the vectors' variance the plane shows.
    """

    points: np.ndarray
    labels: np.ndarray
    shown: float


@dataclass
class Timeline:
    """The scores of a sequence, step by step.

    **Attributes:**

    - `name`: of the sequence.
    - `values`: `(time, columns)`, what was watched.
    - `surprise`: `(time,)`, from 0 on, NaN where nothing was known.
    - `limit`: the surprise from which on there is an alarm.
    - `windows`: the first and last step of each anomaly.
    """

    name: str
    values: np.ndarray
    surprise: np.ndarray
    limit: float
    windows: list[tuple[int, int]]


@dataclass
class Fitting:
    """All that the page says and shows.

    **Attributes:**

    - `name`: what was learned; `kicker`: the small line above it; `outcome`: one sentence.
    - `tiles`: the numbers worth knowing.
    - `data`: the columns or series of the data, as a table.
    - `split`: what was learned from, stopped by and tested on, in words.
    - `curve`: the learning curve, lines with `update`, `loss` and maybe `held_out_loss`.
    - `scores`: the network's beside those of baselines, as a table.
    - `confusion`, `classes`: how often each class was taken for each.
    - `fans`: forecasts; `timelines`: scores of what was watched.
    - `clusters`: a map of them; `samples`: texts that were made up.
    - `scored`: on what the scores are, in words.
    - `command`: repeats it; `settings`: by name.
    """

    name: str
    kicker: str
    outcome: str
    tiles: list[Tile]
    data: Table
    split: str
    curve: Sequence[Mapping[str, float]]
    scores: Table
    command: str
    settings: Mapping[str, str]
    confusion: list[list[int]] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    fans: list[Fan] = field(default_factory=list)
    clusters: ClusterMap | None = None
    samples: list[str] = field(default_factory=list)
    scored: str = "On what was neither learned from nor stopped by."
    timelines: list[Timeline] = field(default_factory=list)


def table(content: Table) -> str:
    """A table, the first column to the left and numbers to the right."""
    names, rows = content
    head = "".join(f'<th class="number" scope="col">{escape(n)}</th>' for n in names[1:])
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr><th scope="col">{escape(names[0])}</th>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def learning(curve: Sequence[Mapping[str, float]]) -> list[dict[str, Any]]:
    """The learning curve as a chart of the page's script."""
    lines = {"training": "loss", "held out": "held_out_loss"}
    curves = {}
    for name, key in lines.items():
        known = [moment for moment in curve if key in moment]
        if known:
            values = tuple(float(moment[key]) for moment in known)
            updates = tuple(int(moment["update"]) for moment in known)
            curves[name] = Curve(updates, (values,), values)
    return [chart("loss", "update", curves)]


def drawn_fan(fan: Fan, *, width: int = 720, height: int = 240) -> str:
    """A forecast as a picture: the past, the band of quantiles, the median and paths."""
    past, steps = len(fan.before), len(fan.quantiles)
    parts = (fan.before, fan.after, fan.quantiles.ravel(), fan.paths.ravel())
    everything = np.concatenate(parts)
    low, high = float(np.nanmin(everything)), float(np.nanmax(everything))
    span = (high - low) or 1.0

    def points(first: int, values: np.ndarray) -> list[str]:
        return [
            f"{8 + (width - 16) * (first + n) / max(1, past + steps - 1):.1f},"
            f"{8 + (height - 16) * (high - v) / span:.1f}"
            for n, v in enumerate(values)
            if np.isfinite(v)
        ]

    def line(where: list[str], style: str) -> str:
        return f'<polyline points="{" ".join(where)}" fill="none" {style}/>'

    band = points(past, fan.quantiles[:, -1]) + points(past, fan.quantiles[:, 0])[::-1]
    ink = 'stroke="currentColor" stroke-width="1.2" opacity="0.75"'
    accent = 'stroke="var(--accent)" stroke-width="2"'
    thin = 'stroke="var(--accent)" stroke-width="0.8" opacity="0.8"'
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" style="width:100%;height:auto" '
        f'aria-label="forecast of {escape(fan.name)}, from {low:g} to {high:g}">'
        f'<polygon points="{" ".join(band)}" fill="var(--accent)" opacity="0.22"/>'
        + "".join(line(points(past, path), thin) for path in fan.paths)
        + line(points(0, fan.before), ink)
        + line(points(past, fan.after), ink + ' stroke-dasharray="3 3"')
        + line(points(past, fan.quantiles[:, fan.middle]), accent)
        + "</svg>"
    )


def drawn_map(clusters: ClusterMap, *, width: int = 720, height: int = 480) -> str:
    """Clusters as a picture: a point for each sequence, and each cluster's number at its middle."""
    low, high = clusters.points.min(axis=0), clusters.points.max(axis=0)
    apart = np.where(high > low, high - low, 1)
    places = 12 + (clusters.points - low) / apart * [width - 24, height - 24]
    count = int(clusters.labels.max(initial=-1)) + 1
    marks = []
    for label in range(-1, count):
        here = places[clusters.labels == label]
        # Hues a golden angle apart, so that neighbours differ however many there are.
        paint = "currentColor" if label < 0 else f"hsl({label * 137.5 % 360:.0f} 65% 50%)"
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in here)
        marks.append(f'<g fill="{paint}" opacity="0.6">{dots}</g>')
    for label in range(count):
        x, y = np.median(places[clusters.labels == label], axis=0)
        marks.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" font-size="20" font-weight="700" '
            'fill="currentColor" stroke="var(--page, Canvas)" stroke-width="4" paint-order="stroke"'
            f">{label}</text>"
        )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" style="width:100%;height:auto" '
        f'aria-label="{len(places)} sequences in {count} clusters">{"".join(marks)}</svg>'
    )


POINTS = 700
"""Points that a line of a timeline is drawn with, at most; of more steps the extremes are shown."""


def drawn_timeline(timeline: Timeline, *, width: int = 720, height: int = 260) -> str:
    """What was watched, below it the surprise on a logarithmic scale, its limit, the anomalies."""
    steps = len(timeline.surprise)
    middle = 0.55 * height

    def x(step: float) -> float:
        return 8 + (width - 16) * step / max(1, steps - 1)

    def line(values: np.ndarray, low: float, high: float, top: float, bottom: float) -> str:
        points = []
        for each in np.array_split(np.arange(steps), min(steps, POINTS // 2)):
            here = each[np.isfinite(values[each])]
            ends = {here[values[here].argmin()], here[values[here].argmax()]} if len(here) else {}
            for n in sorted(ends):
                y = bottom - (bottom - top) * (values[n] - low) / ((high - low) or 1.0)
                points.append(f"{x(n):.1f},{y:.1f}")
        return f'<polyline points="{" ".join(points)}" fill="none" '

    shades = ""
    for first, last in timeline.windows:
        left = x(first - 0.5)
        wide = max(1.5, x(last + 0.5) - left)
        shades += (
            f'<rect x="{left:.1f}" y="4" width="{wide:.1f}" height="{height - 8}" '
            'fill="var(--accent)" opacity="0.22"/>'
        )
    above = "".join(
        line(column, float(np.nanmin(column)), float(np.nanmax(column)), 8, middle - 8)
        + 'stroke="currentColor" stroke-width="1" opacity="0.6"/>'
        for column in timeline.values.T
        if np.isfinite(column).any()
    )
    logs, limit = np.log10(1 + timeline.surprise), float(np.log10(1 + timeline.limit))
    high = max(limit, float(np.nanmax(logs, initial=0)))
    at = height - 8 - (height - 16 - middle) * limit / (high or 1.0)
    below = line(logs, 0, high, middle + 8, height - 8)
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" style="width:100%;height:auto" '
        f'aria-label="{escape(timeline.name)}: {len(timeline.windows)} anomalies in {steps} steps">'
        + shades
        + above
        + below
        + 'stroke="var(--accent)" stroke-width="1.2"/>'
        + f'<line x1="8" x2="{width - 8}" y1="{at:.1f}" y2="{at:.1f}" stroke="currentColor" '
        'stroke-dasharray="4 3" opacity="0.7"/></svg>'
    )


def fitted_page(content: Fitting) -> str:
    """The page: one file that loads nothing."""
    parts = {
        "Data": section("data", "Data", lead(escape(content.split)), table(content.data)),
        "Learning": section(
            "learning",
            "Learning",
            figure(
                "learning",
                "<b>Learning curve.</b> Means over the updates since the point before, and over "
                "what was held out to stop by. The weights with the lowest held-out loss are kept.",
            ),
        ),
        "Scores": section(
            "scores",
            "Scores beside baselines",
            lead(escape(content.scored)),
            table(content.scores),
        ),
    }
    if content.confusion:
        parts["Confusion"] = section(
            "confusion", "Which for which", confusion_table(content.confusion, content.classes)
        )
    if content.fans:
        shown = "".join(
            f"<figure>{drawn_fan(fan)}<figcaption><b>{escape(fan.name)}.</b> What came before, the "
            "forecast with its band and some sample paths (thin), and dashed what came."
            "</figcaption></figure>"
            for fan in content.fans
        )
        parts["Forecasts"] = section("forecasts", "Forecasts", shown)
    if content.clusters is not None:
        parts["Clusters"] = section(
            "clusters",
            "Cluster map",
            f"<figure>{drawn_map(content.clusters)}<figcaption><b>Every point is a sequence</b>, "
            "where its vector lies in the plane in which vectors differ most, which shows "
            f"{content.clusters.shown:.0%} of their variance.</figcaption></figure>",
        )
    if content.samples:
        shown = "".join(f"<pre>{escape(text)}</pre>" for text in content.samples)
        parts["Samples"] = section("samples", "Made up by the network", shown)
    if content.timelines:
        shown = "".join(
            f"<figure>{drawn_timeline(one)}<figcaption><b>{escape(one.name)}.</b> Above what was "
            "watched, each column on its own scale; below how surprising it was, on a logarithmic "
            "scale, with the limit dashed. Shaded: anomalies.</figcaption></figure>"
            for one in content.timelines
        )
        parts["Timelines"] = section("timelines", "Scores over time", shown)
    rows = [[name, value] for name, value in content.settings.items()]
    parts["Again"] = section(
        "again",
        "Do it again",
        f"<pre>{escape(content.command)}</pre>",
        table((["setting", "value"], rows)),
    )
    head = title(content.kicker, content.name, content.outcome, "", content.tiles)
    return document(content.name, head, parts, {"learning": learning(content.curve)})
