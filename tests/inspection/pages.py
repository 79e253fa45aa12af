"""Content of reports, made without training anything."""

import numpy as np
from ideal import copying

from tapehead.inspection.report.charts import learning_charts, size_charts
from tapehead.inspection.report.content import Content, Row, Tile
from tapehead.inspection.report.examples import picture
from tapehead.inspection.report.sequences import Drawn, example, inside
from tapehead.inspection.trace import Trace
from tapehead.sequences import Sequences
from tapehead.tasks import Copy

TASK = Copy(max_length=20)


def metrics(seeds: int) -> list[dict]:
    """A run that learns steadily, and generalises less and less."""
    rng = np.random.default_rng(0)

    def values(mean: float) -> list[float]:
        return [float(mean * np.exp(0.2 * rng.normal())) for _ in range(seeds)]

    lines = []
    for update in range(50, 1450, 50):
        bits = values(84 * np.exp(-update / 150))
        lines.append({"kind": "train", "update": update, "metrics": {"bits": bits}})
        if update % 200 == 0:
            common = {"kind": "evaluation", "update": update, "size": None, "set": "validation"}
            lines.append(common | {"metrics": {"bits": values(80 * np.exp(-update / 150))}})
    for size in TASK.sizes:
        right = [1 - min(0.5, v) for v in values(max(0, size - 20) / 400)]
        common = {"kind": "evaluation", "update": 1400, "size": size, "set": f"length {size}"}
        lines.append(common | {"metrics": {"bit_accuracy": right}})
    return lines


def drawn(length: int, number: int, *, memory: bool = True) -> Drawn:
    """What the copying machine does on a sequence; without memory, only its hidden units."""
    targets, weights, trace = copying(length, slots=32, width=16, seed=number)
    if not memory:
        trace = Trace(trace.inputs, trace.outputs, trace.find_all("controller.hidden"))
    sequence = Sequences(trace.inputs, targets, weights)  # type: ignore[arg-type]
    return Drawn(f"length {length}", number, TASK, sequence, trace)


def report(*, seeds: int = 1, memory: bool = True) -> Content:
    """The report of a network that copies."""
    lines = metrics(seeds)
    return Content(
        title="copy · dnc",
        kicker="training run copy-dnc-1",
        outcome="Solved at update 1,400: no wrong bit in 1,000 fresh sequences.",
        standing="solved",
        tiles=[
            Tile("Wrong bits", "0", "in 1,000 fresh sequences"),
            Tile("Solved at update", "1,400", "22,400 sequences seen"),
            Tile("Training time", "17 s", "82 updates a second"),
            Tile("Parameters", "61,234"),
            Tile("At length 120", "75 %", "right bits; trained up to 20"),
        ],
        learning=learning_charts(lines),
        generalisation=size_charts(lines, TASK),
        axis="length",
        evaluations=[Row("test", {"right bits": ("100 %", "99.9 % to 100 %")})],
        metrics=["right bits"],
        shown="",
        settings={"Task: copy": {"bits": "8"}, "Model: dnc": {"slots": "32"}},
        command="tapehead train copy dnc",
        versions={"tapehead": "0.1.0", "jax": "0.10.2"},
        examples=[example(drawn(n, k, memory=memory)) for n in (20, 40) for k in (1, 2)],
        memory=[inside(drawn(n, 1, memory=memory)) for n in (20, 30)],
        external=memory,
    )


def classes() -> Content:
    """The report of a network that names digits, on pictures of noise."""
    rng = np.random.default_rng(0)
    names = [str(c) for c in range(10)]
    cards = [
        {
            "image": picture(rng.uniform(size=(28, 28)) * (np.eye(28) > 0)),
            "truth": k,
            "names": names,
            "probabilities": [0.91 if c == (k if k < 8 else 0) else 0.01 for c in range(10)],
        }
        for k in range(10)
    ]
    counts = (np.diag(rng.integers(80, 110, 10)) + rng.integers(0, 3, (10, 10))).tolist()
    told = report(memory=False)
    found = {"cards": cards, "confusion": counts, "classes": names}
    return Content(**(vars(told) | {"examples": []} | found))
