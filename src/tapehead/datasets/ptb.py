"""The Penn Treebank as prepared for language models, by words or by characters."""

from pathlib import Path
from typing import Literal, get_args

from tapehead.datasets.fetch import fetch
from tapehead.datasets.reading import lines, read_text
from tapehead.datasets.registry import PTB, Split
from tapehead.errors import among

END = "<eos>"
"""The symbol that ends a line."""

Level = Literal["words", "characters"]


def symbols(text: str, level: Level) -> list[str]:
    """The lines of `text` as one list of symbols, with `<eos>` at the end of every line.

    By words, these are what spaces separate; by characters, those of the line with `_` for a
    space, without spaces at its ends.

    >>> symbols(" a cat \\n sat \\n", "words")
    ['a', 'cat', '<eos>', 'sat', '<eos>']
    >>> symbols(" a cat \\n", "characters")
    ['a', '_', 'c', 'a', 't', '<eos>']
    """
    found: list[str] = []
    for line in lines(text):
        words = line.split()
        found.extend(words if level == "words" else "_".join(words))
        found.append(END)
    return found


def load_ptb(
    split: Split, level: Level = "words", *, data_dir: str | Path | None = None
) -> list[str]:
    """A split of the Wall Street Journal text: lower case, without punctuation, `N` for numbers.

    - By words: 929,589 / 73,760 / 82,430 symbols in train / validation / test, of 10,000 different
      ones, `<unk>` for rare words and `<eos>` included.
    - By characters: 5,017,482 / 393,042 / 442,423 symbols, of 50 different ones.

    `data_dir` and where files come from: see `fetch`. **Raises:** `UserError` as `fetch` does, and
    for an unknown `split` or `level`.

    Source: Mikolov et al., "Recurrent neural network based language model" (2010), and for
    characters "Subword language modeling with neural networks" (2012).
    """
    among("load_ptb", get_args(Split), split=split)
    among("load_ptb", get_args(Level), level=level)
    name = f"ptb.{'valid' if split == 'validation' else split}.txt"
    return symbols(read_text(fetch(PTB, f"{name}.gz", name, data_dir=data_dir)), level)
