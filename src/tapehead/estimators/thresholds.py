"""Thresholds: from which score on something is an anomaly, and how many alarms that will give.

A score says how normal something is, higher for more; a threshold is set by the scores of what is
normal. They are different things: another threshold needs no new fit.
"""

import abc
import bisect
import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from tapehead.errors import UserError, between
from tapehead.registry import Registry

FEWEST = 10
"""Excesses that a tail is fitted to, at least."""
IMPOSSIBLE = 1e30
"""In place of an infinite loss, which a search by parabolas cannot reckon with."""


@dataclass(frozen=True)
class Limit:
    """What a threshold came to.

    **Attributes:**

    - `value`: scores below it are anomalies.
    - `rate`: the share of normal observations that will be below it: false alarms to expect.
    """

    value: float
    rate: float


@dataclass(frozen=True)
class Threshold(abc.ABC):
    """How a limit is set by the scores of what is normal."""

    @abc.abstractmethod
    def limit(self, scores: Float[np.ndarray, " normal"], per_day: float | None = None) -> Limit:
        """The limit that normal scores lead to.

        **Arguments:**

        - `scores`: of normal observations that the network has not learned from; higher is more
          normal.
        - `per_day`: observations in a day, where that is known.

        **Raises:** `UserError` if there are too few for what is asked.
        """


@dataclass(frozen=True)
class Quantile(Threshold):
    """As low as the lowest `rate` of normal scores: the limit is their quantile at `rate`.

    The rate to expect is the share of the given scores that lie below it.
    """

    rate: float = 0.01
    """Share of normal observations that may give an alarm."""

    def __post_init__(self):
        between(type(self).__name__, 0, 1, rate=self.rate)

    def limit(self, scores: Float[np.ndarray, " normal"], per_day: float | None = None) -> Limit:
        """The quantile at `rate`, between the two scores that it lies between."""
        value = float(np.quantile(scores, self.rate))
        return Limit(value, float(np.mean(scores < value)))


@dataclass(frozen=True)
class PeaksOverThreshold(Threshold):
    """Rarer than what was seen, by the tail of what was: for rates far below 1 in the examples.

    Surprise is the negative score. What exceeds its quantile u at 1 − `tail` does so by amounts
    that follow a generalised Pareto distribution of shape γ and scale σ, whichever distribution
    surprise has (Pickands 1975). With N_u of n scores beyond u the limit is

        z = u + σ/γ ((rate · n / N_u)^(−γ) − 1),

    which is exceeded by a share of `rate`.

    Source: Siffer et al., "Anomaly detection in streams with extreme value theory" (KDD 2017).
    """

    rate: float = 1e-3
    """Share of normal observations that may give an alarm."""
    tail: float = 0.05
    """Share of the scores that the tail is fitted to; at least 10 of them are."""

    def __post_init__(self):
        between(type(self).__name__, 0, 1, rate=self.rate, tail=self.tail)
        if self.rate >= self.tail:
            raise UserError(
                f"PeaksOverThreshold: rate must be below tail, got {self.rate} and {self.tail}"
            )

    def limit(self, scores: Float[np.ndarray, " normal"], per_day: float | None = None) -> Limit:
        """Where the fitted tail holds `rate` of the whole."""
        surprise = -np.asarray(scores, float)
        if len(surprise) < 2 * FEWEST:
            raise UserError(
                f"PeaksOverThreshold: {len(surprise)} normal scores are too few for a tail; at "
                f"least {2 * FEWEST} are needed"
            )
        beyond = max(FEWEST, round(self.tail * len(surprise)))
        start = float(np.sort(surprise)[-beyond - 1])
        excesses = surprise[surprise > start] - start
        if len(excesses) < FEWEST:
            return Quantile(self.rate).limit(scores)  # nearly all of them are equal
        shape, scale = fit_pareto(excesses)
        share = self.rate * len(surprise) / len(excesses)
        if share >= 1:
            return Quantile(self.rate).limit(scores)
        apart = -math.log(share) if shape == 0 else math.expm1(-shape * math.log(share)) / shape
        return Limit(-(start + scale * apart), self.rate)


@dataclass(frozen=True)
class Conformal(Threshold):
    """Below a p-value: a guarantee for whatever distribution scores have.

    The p-value of a score s among n normal ones is (1 + the number of those ≤ s) / (n + 1). If what
    comes is exchangeable with them, it is at most `rate` with a probability of at most `rate`.

    Source: Vovk et al., "Algorithmic learning in a random world" (2005); Laxhammar and Falkman,
    "Conformal prediction for distribution-independent anomaly detection" (2010).
    """

    rate: float = 0.01
    """The highest p-value that gives an alarm."""

    def __post_init__(self):
        between(type(self).__name__, 0, 1, rate=self.rate)

    def limit(self, scores: Float[np.ndarray, " normal"], per_day: float | None = None) -> Limit:
        """The score of which the p-value is just above `rate`."""
        count = len(scores)
        # A hair is added for products that rounding left just below a whole number.
        allowed = math.floor(self.rate * (count + 1) * (1 + 1e-12))
        if not allowed:
            raise UserError(
                f"Conformal: no p-value among {count} normal scores is as low as {self.rate}; at "
                f"least {math.ceil(1 / self.rate) - 1} are needed"
            )
        return Limit(float(np.sort(scores)[allowed - 1]), allowed / (count + 1))


@dataclass(frozen=True)
class AlarmsPerDay(Threshold):
    """A budget: so many false alarms in a day, on average.

    The rate is the budget's share of the observations in a day. Where at least 10 of the normal
    scores would be alarms the limit is their quantile, otherwise it is taken from their tail.
    """

    budget: float = 1.0
    """False alarms in a day."""
    per_day: float | None = None
    """Observations in a day; `None`: as the times of the data say."""
    tail: float = 0.05
    """See `PeaksOverThreshold`."""

    def __post_init__(self):
        between(type(self).__name__, 0, 1, tail=self.tail)
        between("AlarmsPerDay", 0, math.inf, budget=self.budget)
        if self.per_day is not None:
            between("AlarmsPerDay", 0, math.inf, per_day=self.per_day)

    def limit(self, scores: Float[np.ndarray, " normal"], per_day: float | None = None) -> Limit:
        """The quantile or the point in the tail that the budget leads to."""
        count = self.per_day or per_day
        if count is None:
            raise UserError(
                "AlarmsPerDay: how many observations there are in a day is not known: set per_day, "
                "or name a column of dates as the time"
            )
        rate = self.budget / count
        if rate >= 1:
            raise UserError(
                f"AlarmsPerDay: a budget of {self.budget:g} a day is no limit to {count:g} "
                "observations"
            )
        # From a tail only what is rarer than all of it can be read.
        if rate * len(scores) >= FEWEST or rate >= self.tail:
            return Quantile(rate).limit(scores)
        return PeaksOverThreshold(rate, self.tail).limit(scores)


THRESHOLDS: Registry[type[Threshold]] = Registry(
    "threshold",
    {
        "quantile": Quantile,
        "peaks": PeaksOverThreshold,
        "conformal": Conformal,
        "per-day": AlarmsPerDay,
    },
)


def threshold(given: Any) -> Threshold:
    """The threshold that a name stands for, with its defaults, or that it is."""
    if isinstance(given, Threshold):
        return given
    if not isinstance(given, str):
        raise UserError(
            f"threshold: expected a name such as 'quantile' or a Threshold, got {given!r}"
        )
    return THRESHOLDS[given]()


def threshold_to_json(given: Threshold) -> dict[str, Any]:
    """A threshold as `{"name": ..., its settings}`."""
    return {"name": THRESHOLDS.name_of(given), **dataclasses.asdict(given)}


def threshold_from_json(data: dict[str, Any]) -> Threshold:
    """The other way."""
    own = dict(data)
    return THRESHOLDS[own.pop("name")](**own)


def p_values(
    scores: Float[np.ndarray, " asked"], normal: Float[np.ndarray, " normal"]
) -> Float[np.ndarray, " asked"]:
    """How rare scores at least as low are among normal ones, (1 + number ≤ s) / (n + 1).

    >>> p_values(np.array([0.0, 2.5]), np.array([1.0, 2.0, 3.0]))
    array([0.25, 0.75])
    """
    below = np.searchsorted(np.sort(normal), scores, side="right")
    return (1 + below) / (len(normal) + 1)


def running_p_values(scores: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """How rare each score is among all before it: `p_values` by what was seen until then.

    What a network finds surprising changes as a series leaves what it was taught; how often it is
    that surprised does not have to. The first p-value is 1.

    >>> running_p_values(np.array([0.0, 1.0, -1.0, 0.0]))
    array([1.        , 1.        , 0.33333333, 0.75      ])
    """
    made, past = np.ones(len(scores)), []
    for step, score in enumerate(np.asarray(scores, float)):
        made[step] = (1 + bisect.bisect_right(past, score)) / (step + 1)
        bisect.insort(past, score)
    return made


def fit_pareto(excesses: Float[np.ndarray, " excesses"]) -> tuple[float, float]:
    """Shape γ and scale σ of a generalised Pareto distribution, of greatest likelihood.

    Its survival function is (1 + γ y / σ)^(−1/γ). For θ = γ/σ the best shape is the mean of
    log(1 + θ y), so that there is one number to search for. Shapes below −1/2, where the
    likelihood has no regular maximum, are left out.

    Source: Grimshaw, "Computing maximum likelihood estimates for the generalized Pareto
    distribution" (1993).
    """
    unit = float(np.mean(excesses))
    y = np.asarray(excesses, float) / unit

    def loss(theta: float) -> float:
        """The negative log-likelihood of an excess, in units of their mean."""
        if abs(theta) < 1e-8:
            return 1.0  # exponential, of scale 1
        shape = float(np.mean(np.log1p(theta * y)))
        if shape < -0.5 or shape / theta <= 0:
            return IMPOSSIBLE
        return math.log(shape / theta) + shape + 1

    low = -1 / float(y.max())
    grid = np.concatenate(
        [low * (1 - np.geomspace(1e-6, 1, 60)), [0.0], np.geomspace(1e-4, 1e3, 80)]
    )
    grid = np.sort(grid)
    values = np.array([loss(theta) for theta in grid])
    best = int(np.argmin(values))
    left, right = grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)]
    found: Any = minimize_scalar(loss, bounds=(left, right), method="bounded")
    theta = float(found.x) if found.fun < values[best] else float(grid[best])
    if abs(theta) < 1e-8:
        return 0.0, unit
    shape = float(np.mean(np.log1p(theta * y)))
    return shape, shape / theta * unit
