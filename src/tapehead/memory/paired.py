"""Networks that are told of everything they saw, one step later, what it was.

What was seen and what it was called come in at different steps but belong into one row. These parts
bring them together before the memory, and let keys match what was written from the beginning.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, Chain, Stateless, expect_features
from tapehead.cells import LayerNorm, Linear
from tapehead.errors import UserError, at_least
from tapehead.memory.cell import MemoryCell
from tapehead.memory.sam import ends

WRITING, ADDING = 2.0, -2.0
"""Biases, at first, of the gates: to write, and into a new row rather than those last read."""
SHARPNESS = 8.0
"""The bias, at first, of the strengths: rows that resemble a key little count little."""
TOLD = 2.0
"""The length, at first, of what is written of an answer; what it is written beside has about 1."""


class Seen(Stateless):
    """What is seen as features, beside what is told: [x; a] becomes [max(0, norm(W x + b)); a].

    **Attributes:**

    - `linear`, `norm`: W and b, and a layer norm.
    - `told`: entries of a, the last ones of the input.
    """

    linear: Linear
    norm: LayerNorm
    told: int = eqx.field(static=True)
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, input_size: int, told: int, features: int, *, key: PRNGKeyArray):
        if input_size <= told:
            raise UserError(
                f"paired: expects inputs that end with the {told} features of an answer, after "
                f"others, got {input_size} in all"
            )
        self.linear = Linear(input_size - told, features, key=key)
        self.norm = LayerNorm(features)
        self.told = told
        self.input_size = input_size
        self.output_size = features + told

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        """The features, then what is told."""
        expect_features("Seen", x, self.linear.weight.shape[1] + self.told)
        seen, told = jnp.split(x, [x.shape[-1] - self.told], axis=-1)
        made = jax.nn.relu(self.norm(self.linear(seen)))
        return jnp.concatenate([made, told], axis=-1)


class Recalled(Cell):
    """The features of the step before beside the others: [f_t; a_t] becomes [f_t; f_{t−1}; a_t].

    The state is f_{t−1}, `(*batch, features)`; zero at first.
    """

    features: int = eqx.field(static=True)
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, features: int, told: int):
        self.features = features
        self.input_size = features + told
        self.output_size = 2 * features + told

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch features"]:
        """Nothing seen yet."""
        return jnp.zeros((*batch, self.features))

    def step(
        self, state: Float[Array, "*batch features"], x: Float[Array, "*batch inputs"]
    ) -> tuple[Float[Array, "*batch features"], Float[Array, "*batch outputs"]]:
        """Put the one between."""
        expect_features("Recalled", x, self.input_size or 0)
        now, told = jnp.split(x, [self.features], axis=-1)
        return now.astype(state.dtype), jnp.concatenate([now, state.astype(x.dtype), told], axis=-1)


class Direct(Stateless):
    """A controller that controls nothing: its output is its input."""

    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, input_size: int, output_size: int, *, key: PRNGKeyArray):
        self.input_size = input_size
        self.output_size = input_size

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch inputs"]:
        """The same."""
        return x


def paired(
    make: Callable[..., MemoryCell],
    input_size: int,
    output_size: int,
    *,
    features: int,
    key: PRNGKeyArray,
    **options: Any,
) -> Chain:
    """A network whose inputs end with the right answer to the step before, of `output_size`.

    With x_t what is seen and a_{t−1} the answer told, the memory is driven, instead of by a
    controller, by

        f_t = max(0, norm(W x_t + b)),  h_t = [f_t; f_{t−1}; a_{t−1}; r_{t−1}]

    Keys begin as A f_t, what is written as A f_{t−1} + B a_{t−1}, and the output as Bᵀ r_t / |b|²,
    with random A and B of columns b. So something seen finds the rows of what resembles it, and is
    given the name that is in them, before anything is learned. A network that has to find out by
    itself that what it writes must resemble what it looks for, first learns all that can be had
    without memory, and long nothing more.

    **Arguments:**

    - `make`: `SAM` or `DAM`, and `options` its options, of which the controller's are not used.
    - `features`: the entries of f.

    **Raises:** `UserError` if nothing is seen beside the answers, or a size is below 1.
    """
    at_least("paired", 1, input_size=input_size, output_size=output_size, features=features)
    seen_key, told_key, network_key = jax.random.split(key, 3)
    options |= {"controller": Direct, "controller_size": 1, "controller_layers": 1}
    network = make(2 * features + output_size, output_size, key=network_key, **options)
    return Chain(
        Seen(input_size, output_size, features, key=seen_key),
        Recalled(features, output_size),
        _matched(network, features, output_size, key=told_key),
    )


def _matched(network: MemoryCell, features: int, told: int, *, key: PRNGKeyArray) -> MemoryCell:
    """The network with the interface and the readout as `paired` says."""
    heads, width = network.memory.read_heads, network.memory.width
    content = heads * width
    last = ends(heads, width)
    keys, strengths, vectors, writes, additions = map(slice, [0, *last[:-1]], last)
    now, before = slice(0, features), slice(features, 2 * features)
    answers = slice(2 * features, 2 * features + told)
    weight, bias = network.interface.weight, network.interface.bias
    assert bias is not None  # the interface of every memory network has one
    matching = weight[keys, now]
    drawn = TOLD / np.sqrt(width) * jax.random.normal(key, (content, told))
    weight = weight.at[keys].set(0).at[keys, now].set(matching)
    weight = weight.at[vectors].set(0).at[vectors, before].set(matching)
    weight = weight.at[vectors, answers].set(drawn)
    bias = bias.at[strengths].set(SHARPNESS).at[writes].set(WRITING).at[additions].set(ADDING)
    readout = jnp.zeros_like(network.readout.weight).at[:, -content:].set(drawn.T / TOLD**2)
    return eqx.tree_at(
        lambda n: (n.interface.weight, n.interface.bias, n.readout.weight),
        network,
        (weight, bias, readout),
    )
