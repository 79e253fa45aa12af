"""Settings that suit a task and a model together, used wherever the user names none."""

from collections.abc import Mapping
from typing import Any

from tapehead.learning import RULES
from tapehead.models import MODELS
from tapehead.tasks import TASKS
from tapehead.training.config import AnyConfig, RunConfig
from tapehead.training.optimizers import OPTIMIZERS

GENTLE = {
    "optimizer": "adam",
    "optimizer.learning_rate": 3e-3,
    "optimizer.schedule": "cosine",
}

MODEL_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "dam": {**GENTLE, "model.heads": 1},
    "dnc": {**GENTLE, "optimizer.learning_rate": 1e-2},
    "gru": GENTLE,
    "lstm": GENTLE,
    "lstm-1997": {**GENTLE, "optimizer.learning_rate": 1e-2},
    "mingru": GENTLE,
    "ntm": {**GENTLE, "model.controller": "feedforward"},
    # Several heads learn later, and each takes a slot of its own at every step.
    "sam": {**GENTLE, "model.heads": 1, "model.slots": 256},
    "sdnc": {**GENTLE, "model.heads": 1, "model.slots": 256},
    "tape-rnn": GENTLE,
}
"""What suits a model on any task, by the names of a config: `batch`, `model.slots`, `optimizer`."""

# The nets of the LSTM's paper: a few cells and one sequence at a time, which is cheap that small.
TWO_BLOCKS = {"batch": 1, "model.hidden": 4, "evaluate_every": 1000}
# Units that remember for up to the length of the usual sequences; longer ones want more.
LASTING = {"model.hidden": 32, "model.chrono": 100.0, "evaluate_every": 250}
# Noise on the weights goes on moving up-counts and down-counts towards each other when all strings
# of training are right already, by margins that have no gradient left.
COUNTERS = {
    "batch": 1,
    "updates": 60_000,
    "evaluate_every": 2000,
    "weight_noise": 0.05,
    "optimizer.learning_rate": 1e-2,
    "model.hidden": 2,
    "model.block_size": 1,
}

# One row a step, for the image before and its label.
ONE_SHOT = {
    "model.paired": 128,
    "model.slots": 128,
    "model.heads": 1,
    "optimizer.learning_rate": 1e-3,
}

PAIR_PRESETS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("associative-recall", "dam"): {"updates": 8000},
    ("associative-recall", "sam"): {"updates": 8000},
    ("copy", "sam"): {"model.heads": 4, "model.slots": 512},
    ("adding", "lstm-1997"): {**TWO_BLOCKS, "updates": 50_000, "model.input_bias": -3.0},
    ("adding", "mingru"): LASTING,
    ("anbn", "lstm-1997"): COUNTERS,
    ("anbncn", "lstm-1997"): {**COUNTERS, "updates": 100_000},
    ("dynamic-ngrams", "dnc"): {"optimizer.learning_rate": 3e-3},
    # A feed-forward controller would have to find the last five bits in memory.
    ("dynamic-ngrams", "ntm"): {"model.controller": "lstm"},
    # The mean over all steps: the gradient need not find its way back from the last one.
    ("mnist-pixels", "s5"): {
        **GENTLE,
        "batch": 50,
        "updates": 2200,
        "optimizer.learning_rate": 4e-3,
        "model.hidden": 64,
        "model.modes": 32,
        "model.pool": "mean",
    },
    ("mnist-rows", "dnc"): {"optimizer.learning_rate": 3e-3},
    ("omniglot", "dam"): ONE_SHOT,
    ("omniglot", "lstm"): {"model.hidden": 200, "optimizer.learning_rate": 1e-3},
    ("omniglot", "sam"): ONE_SHOT,
    # Where each repeat begins is easier found by a controller that has counted.
    ("repeat-copy", "ntm"): {"model.controller": "lstm"},
    ("long-lag", "lstm-1997"): {
        **TWO_BLOCKS,
        "updates": 20_000,
        "model.hidden": 2,
        "model.block_size": 1,
        "model.input_bias": -3.0,
    },
    ("long-lag", "mingru"): LASTING,
    ("priority-sort", "dam"): {"model.heads": 4, "model.slots": 128},
    ("priority-sort", "dnc"): {"model.slots": 64, "optimizer.learning_rate": 3e-3},
    ("priority-sort", "ntm"): {"model.read_heads": 4, "model.write_heads": 4},
    ("priority-sort", "sam"): {
        "model.heads": 4,
        "model.slots": 128,
        "optimizer.learning_rate": 6e-3,
    },
    ("reber", "lstm"): {"optimizer.learning_rate": 1e-2, "model.hidden": 32},
    ("reber", "lstm-1997"): {
        "batch": 1,
        "updates": 60_000,
        "evaluate_every": 500,
        "clip_norm": None,
        "optimizer": "sgd",
        "optimizer.learning_rate": 1.0,
        "optimizer.schedule": "constant",
        "model.block_size": 1,
        "model.output_bias": -1.0,
        "model.spread": 0.2,
    },
    ("imdb", "lstm"): {"model.pool": "mean", "model.dropout": 0.5, "updates": 1500},
    ("shakespeare", "lstm"): {
        "model.hidden": 256,
        "model.dropout": 0.3,
        "weight_noise": 0.05,
        "updates": 6000,
        "evaluate_every": 500,
    },
    ("temporal-order", "mingru"): LASTING,
    ("temporal-order", "lstm-1997"): {
        **TWO_BLOCKS,
        "updates": 30_000,
        "evaluate_every": 500,
        "model.input_bias": -2.0,
    },
}
"""What suits a task and a model together."""


def suggest(
    task: str, model: str, *, rule: str | None = None, optimizer: str | None = None
) -> AnyConfig:
    """The config that `tapehead train TASK MODEL` starts from, for the user's options to overlay.

    Later wins: the fields' own defaults; `Task.defaults`; the tables here for the model, then for
    the pair. The settings of an optimiser or rule hold only if it is used.

    **Raises:** `UserError` for an unknown name.
    """
    parts = {"task": TASKS[task], "model": MODELS[model]}
    settings = {
        **parts["task"].defaults,
        **MODEL_PRESETS.get(model, {}),
        **PAIR_PRESETS.get((task, model), {}),
    }
    best = settings.pop("optimizer", "adam")
    chosen = best if optimizer is None else optimizer
    usual = settings.pop("rule", "bptt")
    ruled = usual if rule is None else rule
    parts["rule"] = RULES[ruled]
    parts["optimizer"] = OPTIMIZERS[chosen]
    follows = {"optimizer": chosen == best, "rule": ruled == usual}
    inner: dict[str, dict[str, Any]] = {kind: {} for kind in parts}
    outer: dict[str, Any] = {}
    for name, value in settings.items():
        kind, _, setting = name.partition(".")
        if not setting:
            outer[name] = value
        elif follows.get(kind, True):
            inner[kind][setting] = value
    return RunConfig(**{kind: part(**inner[kind]) for kind, part in parts.items()}, **outer)
