"""`generate`: let a network that predicts symbols go on by itself."""

from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray

from tapehead.cell import Cell, State
from tapehead.errors import UserError, at_least


@eqx.filter_jit
def _read(model: Cell, symbols: Int[Array, " symbols"]) -> State:
    return model.unroll(model.initial_state(), symbols)[0]


@eqx.filter_jit
def _next(
    model: Cell, state: State, symbol: Int[Array, ""], temperature: Array, key: PRNGKeyArray
) -> tuple[State, Int[Array, ""]]:
    state, logits = model.step(state, symbol)
    cold = temperature == 0
    drawn = jax.random.categorical(key, logits / jnp.where(cold, 1, temperature))
    return state, jnp.where(cold, jnp.argmax(logits), drawn).astype(symbol.dtype)


def generate(
    model: Cell,
    prompt: Int[np.ndarray, " symbols"],
    *,
    length: int,
    temperature: float = 1.0,
    key: PRNGKeyArray,
) -> Iterator[int]:
    """Symbols that go on from a prompt, one after the other, each as soon as it is drawn.

    The network reads the prompt; then every symbol is drawn from its prediction, symbol s with
    probability `softmax(logits / temperature)_s`, and read in turn.

    **Arguments:**

    - `model`: a network from symbols to the logits of the next one.
    - `prompt`: what it reads first, at least one symbol.
    - `length`: how many symbols to draw, at least 0.
    - `temperature`: below 1 for the likelier, above 1 for the more surprising; at 0 always the
        likeliest.
    - `key`: decides the draws.

    **Raises:** `UserError` if the prompt is empty, or a number is below 0.
    """
    at_least("generate", 0, length=length, temperature=temperature)
    if len(prompt) == 0:
        raise UserError("generate: the prompt is empty; give at least one symbol")
    symbols = jnp.asarray(prompt, jnp.int32)

    def drawn() -> Iterator[int]:
        state, symbol = _read(model, symbols[:-1]), symbols[-1]
        warmth = jnp.float32(temperature)
        for number in range(length):
            draw = jax.random.fold_in(key, number)
            state, symbol = _next(model, state, symbol, warmth, draw)
            yield int(symbol)

    return drawn()
