"""Controllers: the networks that drive a memory."""

from collections.abc import Callable
from typing import Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, Chain, Stateless
from tapehead.cells import GRU, LSTM, Elman, Linear
from tapehead.errors import UserError, at_least
from tapehead.registry import Registry


class FeedForward(Stateless):
    """A layer without recurrence, for controllers whose only memory is the external one.

    y = tanh(W x + b), with W and b drawn as in `Linear`.

    **Raises:** `UserError` if a size is below 1.
    """

    linear: Linear
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, input_size: int, output_size: int, *, key: PRNGKeyArray):
        at_least("FeedForward", 1, input_size=input_size, output_size=output_size)
        self.linear = Linear(input_size, output_size, key=key)
        self.input_size = input_size
        self.output_size = output_size

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        """tanh(W x + b) over the last axis."""
        return jnp.tanh(self.linear(x))


class ControllerFactory(Protocol):
    """Builds one layer of a controller, as the constructors of the cells do."""

    def __call__(self, input_size: int, output_size: int, /, *, key: PRNGKeyArray) -> Cell:
        """A cell from `input_size` to `output_size` features."""
        ...


CONTROLLERS: Registry[ControllerFactory] = Registry(
    "controller",
    {
        "lstm": LSTM,
        "gru": GRU,
        "elman": Elman,
        "feedforward": FeedForward,
    },
)


def build_controller(
    kind: str | Callable[..., Cell],
    input_size: int,
    size: int,
    layers: int = 1,
    *,
    key: PRNGKeyArray,
) -> Cell:
    """A controller of `layers` layers of `size` units.

    **Arguments:**

    - `kind`: a name in `CONTROLLERS`, or what builds one layer, called as
        `kind(input_size, size, key=key)`: any cell's class will do.
    - `input_size`: features of the input and of all that is read from memory.

    **Raises:** `UserError` for an unknown name or a size below 1.
    """
    at_least("controller", 1, input_size=input_size, controller_size=size, controller_layers=layers)
    if isinstance(kind, str):
        factory = CONTROLLERS[kind]
    elif callable(kind):
        factory = kind
    else:
        raise UserError(
            f"controller: expected one of {', '.join(CONTROLLERS)} or a cell's constructor, "
            f"got {kind!r}"
        )
    sizes = [input_size] + [size] * layers
    cells = [
        factory(before, after, key=k)
        for before, after, k in zip(
            sizes[:-1], sizes[1:], jax.random.split(key, layers), strict=True
        )
    ]
    return cells[0] if layers == 1 else Chain(*cells)
