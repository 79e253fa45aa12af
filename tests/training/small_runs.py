"""Runs so small that a test can afford them."""

from tapehead.learning import BPTT
from tapehead.models import MODELS
from tapehead.tasks import TASKS
from tapehead.training import Adam, RunConfig, Silent


def small_config(**changes):
    settings = {
        "task": TASKS["copy"](min_length=1, max_length=2, bits=1),
        "model": MODELS["elman"](hidden=8),
        "rule": BPTT(),
        "optimizer": Adam(1e-2),
        "batch": 4,
        "updates": 40,
        "log_every": 5,
        "evaluate_every": 10,
        "evaluation_size": 20,
        "test_size": 10,
        "checkpoint_every": 10,
        "stop_when_solved": False,
        "seeds": 2,
    }
    return RunConfig(**settings | changes)


class Notes(Silent):
    """A listener that writes down what it is told."""

    def __init__(self):
        self.messages = []
        self.blocks = []
        self.evaluations = []
        self.starts = []
        self.results = []

    def on_start(self, run, update):
        self.starts.append(update)

    def on_block(self, update, metrics, timing):
        self.blocks.append((update, metrics, timing))

    def on_evaluation(self, update, name, metrics, solved):
        self.evaluations.append((update, name, metrics, solved))

    def on_message(self, text):
        self.messages.append(text)

    def on_end(self, result):
        self.results.append(result)


class Impatient(Silent):
    """Stops the run at its first block."""

    def __init__(self, stop):
        self.stop = stop

    def on_block(self, update, metrics, timing):
        self.stop.set()
