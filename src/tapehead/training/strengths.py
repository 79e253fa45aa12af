"""How strongly each parameter is regularised."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

import equinox as eqx
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from tapehead.cell import Cell
from tapehead.errors import UserError, nearest
from tapehead.training.storage import named_leaves

Parts = Mapping[str, float] | None
"""Weights by the parts of a model they hold for."""


def belongs(name: str, part: str) -> bool:
    """Whether the parameter `name` belongs to `part`.

    It does if its name begins or ends with the part's words, `*` standing for anything. So
    `cells.0` is the first cell of a chain, `hidden_weight` that of all cells, `*.forward` one
    direction of all that read both ways, and `cells.0.hidden_weight` a single parameter.
    """
    return fnmatchcase(f"{name}.", f"{part}.*") or fnmatchcase(f".{name}", f"*.{part}")


def part_names(names: list[str]) -> list[str]:
    """What parts can be called: the cells, then what the parameters are called in them."""
    words = [name.split(".") for name in names]
    cells = [".".join(word[: n + 1]) for word in words for n in range(len(word) - 1)]
    found = dict.fromkeys([*cells, *(word[-1] for word in words)])
    return [name for name in found if not name.endswith("cells")]


def strengths(
    owner: str, model: Cell, overall: float, parts: Parts
) -> float | Float[Array, " parameters"]:
    """The weight of every parameter in the loss: `overall`, and that of each part it belongs to.

    **Returns:** a number for all, or a vector laid out as `ravel_pytree` does the parameters.

    **Raises:** `UserError` if the model has no such part.
    """
    if not parts:
        return overall
    named = {
        name.removeprefix("network."): leaf  # of an `Extended` model, whose rest is the `helper`
        for name, leaf in named_leaves(eqx.filter(model, eqx.is_inexact_array)).items()
    }
    for part in parts:
        if not any(belongs(name, part) for name in named):
            known = part_names(list(named))
            raise UserError(
                f"{owner}: the model has no part '{part}'{nearest(part, [*known, *named])} "
                f"(it has {', '.join(known)})"
            )
    spread = [
        jnp.full_like(leaf, overall + sum(w for part, w in parts.items() if belongs(name, part)))
        for name, leaf in named.items()
    ]
    return ravel_pytree(spread)[0]
