"""`render`: the content of a report as one self-contained page of HTML."""

import json
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from typing import Any

from tapehead.inspection.report.content import Content, Passage, Row, Thought, Tile

SCRIPTS = ("base.js", "colour.js", "lines.js", "timeline.js", "page.js")


def _source(name: str) -> str:
    return files("tapehead.inspection.report").joinpath(name).read_text(encoding="utf-8")


def section(name: str, heading: str, *body: str) -> str:
    """A part of the page, with its heading; HTML."""
    return (
        f'<section class="part" id="{name}">\n<h2>{heading}</h2>\n' + "\n".join(body) + "</section>"
    )


def figure(name: str, caption: str) -> str:
    """Where the page's script draws the figure of this name."""
    return f'<figure><div data-figure="{name}"></div>\n<figcaption>{caption}</figcaption></figure>'


def lead(text: str) -> str:
    """What a section begins with; HTML."""
    return f'<p class="lead">{text}</p>'


def title(kicker: str, name: str, outcome: str, standing: str, tiles: Iterable[Tile]) -> str:
    """What stands above all sections."""

    def tile(t: Tile) -> str:
        note = f"<small>{escape(t.note)}</small>" if t.note else ""
        return f"<div><dt>{escape(t.label)}</dt><dd>{escape(t.value)}{note}</dd></div>"

    return (
        '<header class="title">'
        f'<p class="kicker">{escape(kicker)}</p>\n'
        f"<h1>{escape(name)}</h1>\n"
        f'<p class="outcome {standing}">{escape(outcome)}</p>\n'
        f'<dl class="tiles">{"".join(map(tile, tiles))}</dl></header>'
    )


def _learning(content: Content) -> str:
    several = len(content.learning[0]["series"][0]["seeds"]) > 1
    return section(
        "learning",
        "Learning",
        figure(
            "learning",
            "<b>Learning curves.</b> Means over training batches since the point before, and over "
            "sequences it was not trained on at every validation."
            + (
                " Each network has a thin line, which ends where it had solved the task."
                if several
                else ""
            ),
        ),
    )


def _generalisation(content: Content) -> str:
    axis = escape(content.axis)
    return section(
        "generalisation",
        "Generalisation",
        lead(
            "A network that has found the rule, and not merely learned its training sequences, "
            f"goes on working as {axis} grows. This is the curve that matters."
        ),
        figure(
            "generalisation",
            f"<b>Performance against {axis}</b>, on fresh sequences of exactly that {axis}. "
            "Shaded: what it was trained on.",
        ),
    )


def _evaluations(content: Content) -> str:
    def row(entry: Row) -> str:
        cells = [entry.cells.get(metric, ("–", "")) for metric in content.metrics]
        numbers = "".join(
            f'<td class="number">{escape(text)}'
            + (f"<br><small>{escape(spread)}</small>" if spread else "")
            + "</td>"
            for text, spread in cells
        )
        return f'<tr><th scope="row">{escape(entry.name)}</th>{numbers}</tr>'

    columns = "".join(f'<th class="number" scope="col">{escape(m)}</th>' for m in content.metrics)
    return section(
        "evaluations",
        "Evaluations",
        lead(
            "After training, on sequences it had never seen. With several networks: their median, "
            "and below it the lowest and the highest."
        ),
        f'<div class="scroll"><table><thead><tr><th scope="col">test set</th>{columns}</tr></thead>'
        f"<tbody>{''.join(map(row, content.evaluations))}</tbody></table></div>",
    )


def _examples(content: Content) -> str:
    return section(
        "examples",
        "Worked examples",
        lead(f"{escape(content.shown)} These sequences are the first ones drawn, not chosen."),
        figure(
            "examples",
            "<b>Input, target and output</b>, step by step from left to right. The blue bar marks "
            "the steps at which an answer is asked for. Wrong answers are crossed out.",
        ),
    )


def _classes(content: Content) -> str:
    parts = [
        lead(f"{escape(content.shown)} The first inputs of the test set, then the first mistakes.")
    ]
    if content.cards:
        taken = content.cards[0].get("taken")
        maps = (
            " Over each image the number of residual units computed at every position: the warmer "
            f"the more, up to {taken['high']:g}."
            if taken
            else ""
        )
        parts.append(
            figure(
                "cards",
                "<b>Classified inputs.</b> Bars are the probability the network gives to each "
                "class after the last step; the right one is in bold, mistakes are outlined."
                + maps,
            )
        )
    if content.confusion:
        parts.append(confusion_table(content.confusion, content.classes))
    return section("examples", "Worked examples", *parts)


def _episode(content: Content) -> str:
    return section(
        "examples",
        "Characters seen for the first time",
        lead(
            f"{escape(content.shown)} Every episode shows new characters under labels that hold "
            "for it alone. What a character is called is told after its image."
        ),
        figure(
            "sightings",
            "<b>Accuracy by sighting</b>: the share of right answers when a character is shown for "
            "the first time, the second and so on. The first answer can only be guessed; chance is "
            "guessing among the characters of an episode.",
        ),
        figure(
            "cards",
            "<b>The beginning of an episode</b>, the first one drawn. Bars are the probabilities "
            "of the likeliest labels; the right one is in bold, mistakes are outlined.",
        ),
    )


def confusion_table(counts: list[list[int]], names: list[str]) -> str:
    """How often each class was taken for each, shaded."""
    classes = range(len(names))

    def cell(truth: int, chosen: int) -> str:
        count = counts[truth][chosen]
        share = round(100 * count / max(1, sum(counts[truth])))
        colour = "good" if truth == chosen else "wrong"
        depth = min(70, share // 2 if truth == chosen else 8 + 3 * share) if count else 0
        style = f"background:color-mix(in oklab, var(--{colour}) {depth}%, var(--empty))"
        return f'<td style="{style}">{count or ""}</td>'

    rows = "".join(
        f'<tr><th scope="row">{escape(names[t])}</th>{"".join(cell(t, c) for c in classes)}</tr>'
        for t in classes
    )
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    total = sum(map(sum, counts))
    return (
        f'<figure><div class="scroll"><table class="confusion"><thead><tr><th></th>{top}</tr>'
        f"</thead><tbody>{rows}</tbody></table></div><figcaption><b>Confusion matrix</b> of "
        f"{total:,} test inputs: rows are the right class, columns what the network took it for."
        "</figcaption></figure>"
    )


def _passage(passage: Passage) -> str:
    def piece(text: str, shade: float, says: str) -> str:
        if not shade:
            return escape(text)
        colour = "second" if shade > 0 else "accent"
        depth = round(55 * abs(shade))
        style = f"background:color-mix(in oklab, var(--{colour}) {depth}%, transparent)"
        # The end of a line would have no room for a shade.
        shown = escape(text.replace("\n", "↵\n"))
        return f'<span style="{style}" title="{escape(says)}">{shown}</span>'

    text = "".join(piece(*entry) for entry in passage.pieces)
    return f'<h3>{escape(passage.title)}</h3>\n<div class="passage">{text}</div>'


def _thoughts(thoughts: list[Thought]) -> str:
    """Texts with a bar over every symbol, the higher the longer was thought over it."""

    def bars(thought: Thought) -> str:
        most = max(steps for _, steps in thought.taken)
        marks = []
        for text, steps in thought.taken:
            # What ends a line stands at its end, as a mark that can have a bar.
            shown = escape(text.replace("\n", "↵"))
            bar = f'<i style="--share:{steps / most:.3f}" title="{steps:g} sub-steps">{shown}</i>'
            marks.append(bar + "<br>" * text.count("\n"))
        low = min(steps for _, steps in thought.taken)
        return (
            f'<h3>{escape(thought.title)}</h3>\n<div class="thought">{"".join(marks)}</div>'
            f'<p class="note">From {low:g} to {most:g} sub-steps, the highest bar.</p>'
        )

    caption = (
        "<b>How long it thought over each symbol.</b> The height of a bar is the number of "
        "sub-steps taken while the symbol below it was read; point at it for the number. Look for "
        "the places where something new begins: after a space, a stop, the end of a line."
    )
    return f"<figure>{''.join(map(bars, thoughts))}<figcaption>{caption}</figcaption></figure>"


def _texts(content: Content) -> str:
    parts = []
    if content.samples:
        parts += [
            lead(f"{escape(content.shown)} What the network makes up, at three temperatures."),
            f"<figure>{''.join(map(_passage, content.samples))}</figure>",
        ]
        caption = "<b>What surprised it.</b> The deeper the colour, the more bits a symbol cost."
    else:
        parts.append(
            lead(f"{escape(content.shown)} The first texts of the test set, then mistakes.")
        )
        cool, warm = map(escape, content.classes[:2])
        caption = (
            "<b>How the verdict came about.</b> Behind every word the verdict after it: the warm "
            f"colour for {warm}, the cool one for {cool}, the deeper the surer."
        )
    shaded = "".join(map(_passage, content.passages))
    parts.append(f"<figure>{shaded}<figcaption>{caption}</figcaption></figure>")
    if content.thoughts:
        parts.append(_thoughts(content.thoughts))
    if content.confusion:
        parts.append(confusion_table(content.confusion, content.classes))
    return section("examples", "Worked examples", *parts)


def _memory(content: Content) -> str:
    if content.external:
        return section(
            "memory",
            "What the memory did",
            lead(
                "The same sequences, from the inside. Time runs to the right; every row is a slot "
                "of the memory or a gate of a head. Press play or drag the slider: the cursor "
                "moves through the steps, and the panel beside it shows what the memory held."
            ),
            figure(
                "memory",
                "<b>The memory over time.</b> Look for the order of the writes while the input "
                "is read, and for the reads that visit the same slots while the answer is given.",
            ),
        )
    return section(
        "memory",
        "What the state held",
        lead(
            "This network has no external memory: all it remembers is in its units. One row a "
            "unit, time to the right."
        ),
        figure(
            "memory",
            "<b>The state over time.</b> Rows that keep their colour hold something; rows that "
            "flicker follow the input.",
        ),
    )


def _reproduce(content: Content) -> str:
    tables = []
    for title, entries in content.settings.items():
        rows = "".join(
            f'<tr><th scope="row">{escape(k)}</th><td>{escape(v)}</td></tr>'
            for k, v in entries.items()
        )
        table = f'<table class="settings">{rows}</table>' if rows else ""
        tables.append(f"<div><h3>{escape(title)}</h3>{table}</div>")
    versions = ", ".join(f"{name} {version}" for name, version in content.versions.items())
    return section(
        "reproduce",
        "Do it again",
        lead("This command repeats the run, to the same numbers on the same machine:"),
        f"<pre>{escape(content.command)}</pre>",
        f'<div class="columns">{"".join(tables)}</div>',
        f"<footer>Made with {escape(versions)}.</footer>",
    )


def render(content: Content) -> str:
    """The page: one file that loads nothing."""
    parts = {"Learning": _learning(content)} if content.learning else {}
    if content.generalisation:
        parts["Generalisation"] = _generalisation(content)
    if content.evaluations:
        parts["Evaluations"] = _evaluations(content)
    if content.examples:
        parts["Examples"] = _examples(content)
    elif content.passages:
        parts["Examples"] = _texts(content)
    elif content.sightings:
        parts["Episode"] = _episode(content)
    elif content.cards:
        parts["Examples"] = _classes(content)
    if content.memory:
        parts["Memory" if content.external else "State"] = _memory(content)
    parts["Reproduce"] = _reproduce(content)
    figures = {
        "learning": content.learning,
        "generalisation": content.generalisation,
        "examples": content.examples,
        "sightings": content.sightings,
        "cards": content.cards,
        "memory": content.memory,
    }
    head = title(content.kicker, content.title, content.outcome, content.standing, content.tiles)
    return document(content.title, head, parts, figures)


def document(
    title: str, head: str, parts: Mapping[str, str], figures: Mapping[str, Any], *, style: str = ""
) -> str:
    """One file that holds a page's text, its figures' data and the script that draws them.

    **Arguments:**

    - `title`: of the window; plain text.
    - `head`: what stands above all sections; HTML.
    - `parts`: sections by the name of their link, each with an `id`; HTML.
    - `figures`: the data of every element with `data-figure`, by its name.
    - `style`: rules after those of the report.
    """
    links = {name: part.split('id="', 1)[1].split('"', 1)[0] for name, part in parts.items()}
    # In a script element only `</` could end the data early; `<` is escaped wherever it stands.
    data = json.dumps(figures, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    pieces = {
        "title": escape(f"{title} · tapehead"),
        "style": _source("page.css") + style,
        "links": "\n".join(f'<a href="#{target}">{name}</a>' for name, target in links.items()),
        "body": "\n".join([head, *parts.values()]),
        "data": data,
        "script": "\n".join(_source(name) for name in SCRIPTS),
    }
    # Split once, so that nothing inside a piece can be taken for a placeholder.
    page = []
    for chunk in _source("page.html").split("{{"):
        name, closing, rest = chunk.partition("}}")
        page.append(pieces[name] + rest if closing else chunk)
    return "".join(page)
