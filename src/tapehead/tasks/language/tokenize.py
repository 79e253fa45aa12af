"""Words of a text, and the most frequent ones of many."""

import re
from collections import Counter
from collections.abc import Iterable

from tapehead.tasks.vocabulary import UNKNOWN, Vocabulary

WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|[.,!?;:()\"]")
MARKUP = re.compile(r"<[^>]*>")

PADDING = "<pad>"
"""The word that fills short texts up; its number is 0."""


def words(text: str) -> list[str]:
    """The words and the punctuation marks of a text, in lower case, without markup.

    >>> words("It's <b>great</b>, isn't it?<br />10/10!")
    ["it's", 'great', ',', "isn't", 'it', '?', '10', '10', '!']
    """
    return WORD.findall(MARKUP.sub(" ", text).lower())


def most_frequent(texts: Iterable[list[str]], size: int) -> Vocabulary:
    """`<pad>`, `<unk>`, then the most frequent words, `size` in all; of equals the earlier letters.

    >>> most_frequent([["b", "a", "b"], ["c"]], 4).symbols
    ('<pad>', '<unk>', 'b', 'a')
    """
    counts = Counter(word for text in texts for word in text)
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return Vocabulary((PADDING, UNKNOWN, *ordered[: size - 2]), "words")
