"""`KneserNey`: what counting alone predicts, for a network to be measured against."""

from collections import Counter

import numpy as np
from jaxtyping import Float, Int

from tapehead.errors import UserError, at_least

Gram = tuple[int, ...]


class KneserNey:
    """An n-gram model with interpolated Kneser-Ney smoothing.

    With c(h w) how often symbol w came after the n − 1 symbols h, and h' all of h but its first
    symbol,

        P(w | h) = max(c(h w) − D, 0) / c(h) + D N(h) / c(h) · P(w | h')

    where c(h) is the sum of c(h w) over w and N(h) the number of different w. For the shorter
    contexts c(h w) is not how often h w came, but after how many different symbols it came. Below
    the shortest all symbols are equally likely. D = n₁ / (n₁ + 2 n₂), one for each length, from how
    many grams were counted once and twice; ½ where none was counted once.

    **Arguments:**

    - `symbols`: what to count in, each in `[0, size)`.
    - `size`: how many different symbols there are, at least 1.
    - `order`: n, at least 1 (default 5).

    **Raises:** `UserError` for a size or an order below 1, or too few symbols.

    Source: Kneser and Ney, "Improved backing-off for M-gram language modeling" (1995); Chen and
    Goodman, "An empirical study of smoothing techniques for language modeling" (1999).

    >>> model = KneserNey(np.array([0, 1, 0, 1, 0, 2] * 10), 3, order=2)
    >>> after_1 = np.exp([model.log_probability((1, w)) for w in range(3)])
    >>> int(after_1.argmax()), round(float(after_1.sum()), 6)
    (0, 1.0)
    """

    def __init__(self, symbols: Int[np.ndarray, " symbols"], size: int, *, order: int = 5):
        at_least("KneserNey", 1, size=size, order=order)
        if len(symbols) < order:
            raise UserError(f"KneserNey: needs at least {order} symbols, got {len(symbols)}")
        self.size, self.order = size, order
        numbers = [int(symbol) for symbol in symbols]
        grams = [Counter(zip(*(numbers[n:] for n in range(order)), strict=False))]
        for _ in range(order - 1):
            grams.insert(0, Counter(gram[1:] for gram in grams[0]))
        # By length, from 1 up: of grams their counts, of contexts the totals and the successors.
        self._grams = grams
        self._totals: list[Counter[Gram]] = []
        self._successors: list[Counter[Gram]] = []
        self._discounts: list[float] = []
        for counts in grams:
            totals: Counter[Gram] = Counter()
            for gram, count in counts.items():
                totals[gram[:-1]] += count
            self._totals.append(totals)
            self._successors.append(Counter(gram[:-1] for gram in counts))
            often = Counter(counts.values())
            self._discounts.append(often[1] / (often[1] + 2 * often[2]) if often[1] else 0.5)

    def log_probability(self, gram: Gram) -> float:
        """log P of the last symbol of `gram` after those before it, in nats."""
        gram = gram[-self.order :]
        found = 1.0 / self.size
        for length in range(1, len(gram) + 1):
            part = gram[-length:]
            total = self._totals[length - 1][part[:-1]]
            if not total:
                break
            discount = self._discounts[length - 1]
            share = max(self._grams[length - 1][part] - discount, 0.0)
            rest = discount * self._successors[length - 1][part[:-1]]
            found = (share + rest * found) / total
        return float(np.log(found))

    def log_probabilities(
        self, symbols: Int[np.ndarray, " symbols"]
    ) -> Float[np.ndarray, " symbols-1"]:
        """Those of all symbols but the first, each after those before it, in nats."""
        numbers = tuple(int(symbol) for symbol in symbols)
        last = range(2, len(numbers) + 1)
        return np.array([self.log_probability(numbers[max(0, n - self.order) : n]) for n in last])
