"""What counting n-grams comes to on a text, beside which a network's perplexity stands.

python examples/ngram_baseline.py                       # Penn Treebank, words, 5-grams
python examples/ngram_baseline.py shakespeare --order 6
"""

import argparse

import numpy as np

from tapehead.tasks import TASKS
from tapehead.tasks.language.kneser_ney import KneserNey


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", nargs="?", default="ptb-words", help="a task on a text")
    parser.add_argument("--order", type=int, default=5, help="symbols in a gram (default: 5)")
    parser.add_argument("--file", default="", help="the file, for the task text")
    given = parser.parse_args()
    settings = {"file": given.file} if given.file else {}
    task = TASKS[given.task](**settings)
    train, test = task.data(), task.evaluations()["test"].data()
    model = KneserNey(train, task.input_size, order=given.order)
    nats = -float(np.mean(model.log_probabilities(test)))
    print(f"{given.task}: {given.order}-grams counted in {len(train):,} symbols")
    print(f"perplexity {np.exp(nats):.1f}, {nats / np.log(2):.3f} bits a symbol on the test part")


if __name__ == "__main__":
    main()
