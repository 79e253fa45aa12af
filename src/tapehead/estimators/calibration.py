"""How quantile forecasts are put right, and how what they miss hangs together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

FACTORS = 32
"""Directions in which the errors of different steps go together, at most."""


@dataclass
class Calibration:
    """What windows that were not learned from say of quantile forecasts.

    With quantiles q_whk of the steps h after windows w at levels τ_k, their median m_wh, and what
    came, y_wh, in each window's own units:

        s_h = mean_w |y_wh − m_wh|
        c_k = the quantile of (y_wh − q_whk) / s_h over all w and h at level τ_k
        q̃_whk = q_whk + s_h c_k

    Of n windows the quantile is taken at min(1, (n + 1) τ_k / n) above the median and as far from
    the middle below it, which makes up for their number: if windows are exchangeable, a band
    between two levels is missed, on average over its steps, at most as often as it says.

    *Paths* are drawn by a Gaussian copula. z_wh is the normal score of y_wh under its forecast, Q
    the quantile function, linear in the normal score between the levels and beyond them, and R the
    correlation of z over steps, of which the largest factors are kept and the rest counts as noise:

        ζ = L g + (1 − diag L Lᵀ)^½ ε,  L Lᵀ ≈ R,  g, ε ~ N(0, 1)
        path_h = Q_h(ζ_h)

    So each step of a path is distributed as its forecast says, and steps go together as they did.

    Source: Romano, Patterson and Candès, "Conformalized quantile regression" (2019); Angelopoulos
    et al., "Conformal risk control" (2024); Pinson et al., "From probabilistic forecasts to
    statistical scenarios of short-term wind power production" (2009).

    **Attributes:**

    - `levels`: of the quantiles, `(levels,)`, rising.
    - `scale`: s, `(steps,)`.
    - `shift`: c, `(levels,)`.
    - `loadings`: L, `(steps, factors)`.
    """

    levels: Float[np.ndarray, " levels"]
    scale: Float[np.ndarray, " steps"]
    shift: Float[np.ndarray, " levels"]
    loadings: Float[np.ndarray, "steps factors"]

    @classmethod
    def none(cls, levels: Any, steps: int) -> "Calibration":
        """Of forecasts that are taken as they are."""
        levels = np.asarray(levels, float)
        return cls(levels, np.ones(steps), np.zeros(len(levels)), np.zeros((steps, 0)))

    @classmethod
    def of(
        cls,
        levels: Any,
        found: Float[np.ndarray, "windows steps levels"],
        truth: Float[np.ndarray, "windows steps"],
    ) -> "Calibration":
        """From forecasts of windows that were not learned from, and what came after them."""
        made = cls.none(levels, truth.shape[1])
        apart = truth[..., None] - found
        off = np.abs(apart[..., np.abs(made.levels - 0.5).argmin()]).mean(axis=0)
        made.scale = np.maximum(off, 1e-6 * off.max() + 1e-12)
        scores = (apart / made.scale[:, None]).reshape(-1, len(made.levels))
        for k, level in enumerate(made.levels):
            outer = min(1, (1 + 1 / len(truth)) * max(level, 1 - level))
            at, method = {
                -1.0: (1 - outer, "lower"),
                0.0: (0.5, "linear"),
                1.0: (outer, "higher"),
            }[float(np.sign(level - 0.5))]
            made.shift[k] = np.quantile(scores[:, k], at, method=method)
        if len(made.levels) > 1:
            made.loadings = _loadings(made.normal_scores(made.apply(found), truth))
        return made

    @property
    def errors_known(self) -> bool:
        """Whether it is known how what is missed hangs together, as paths want it."""
        return self.loadings.shape[1] > 0

    @property
    def offset(self) -> Float[np.ndarray, "steps levels"]:
        """What is added to forecasts, s_h c_k."""
        return self.scale[:, None] * self.shift

    def apply(
        self, found: Float[np.ndarray, "*windows steps levels"]
    ) -> Float[np.ndarray, "*windows steps levels"]:
        """Forecasts put right, their quantiles in order."""
        return np.sort(found + self.offset, axis=-1)

    def normal_scores(
        self,
        quantiles: Float[np.ndarray, "*windows steps levels"],
        truth: Float[np.ndarray, "*windows steps"],
    ) -> Float[np.ndarray, "*windows steps"]:
        """Where values lie in their forecasts, as numbers that are normal if these are right."""
        # Levels that coincide are told apart by a hair.
        hair = 1e-9 * self.scale[:, None] * np.arange(len(self.levels))
        scores = _line(truth, quantiles + hair, ndtri(self.levels))
        return np.clip(scores, -4, 4)

    def paths(
        self,
        quantiles: Float[np.ndarray, "*forecasts steps levels"],
        rng: np.random.RandomState,
    ) -> Float[np.ndarray, "*forecasts steps"]:
        """One path of each forecast that has been put right."""
        shape = quantiles.shape[:-2]
        rest = np.sqrt(np.maximum(0, 1 - np.sum(self.loadings**2, axis=1)))
        common = rng.standard_normal((*shape, self.loadings.shape[1])) @ self.loadings.T
        scores = common + rest * rng.standard_normal((*shape, len(rest)))
        return _line(scores, ndtri(self.levels), quantiles)

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return {name: array.tolist() for name, array in vars(self).items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Calibration":
        """The other way."""
        levels, scale, shift = (np.array(data[n], float) for n in ("levels", "scale", "shift"))
        loadings = np.array(data["loadings"], float).reshape(len(scale), -1)
        return cls(levels, scale, shift, loadings)


def _loadings(scores: Float[np.ndarray, "windows steps"]) -> Float[np.ndarray, "steps factors"]:
    """The largest factors of the correlation of steps, about zero rather than their means.

    What a forecast misses in one direction at all windows is so taken to go together as well.
    """
    unit = np.sqrt(np.mean(scores**2, axis=0))
    scores = scores / np.where(unit > 0, unit, 1)
    values, vectors = np.linalg.eigh(scores.T @ scores / len(scores))
    keep = min(FACTORS, len(scores), len(values))
    return vectors[:, -keep:] * np.sqrt(np.maximum(values[-keep:], 0))


def _line(x: np.ndarray, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """The broken line through the points `(xs, ys)` at x; its ends go on straight.

    Points are on the last axis, which x does not have.
    """
    xs, ys = (np.broadcast_to(one, (*x.shape, one.shape[-1])) for one in (xs, ys))
    piece = np.sum(x[..., None] > xs[..., 1:-1], axis=-1, keepdims=True)
    x0, y0, x1, y1 = (
        np.take_along_axis(points, piece + n, axis=-1)[..., 0]
        for n in (0, 1)
        for points in (xs, ys)
    )
    return y0 + (x - x0) * (y1 - y0) / (x1 - x0)
