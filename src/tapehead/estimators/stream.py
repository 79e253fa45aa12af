"""`Stream`: a fitted estimator fed one observation at a time."""

import copy
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Bool, Float

from tapehead.cell import Cell, State, expect_steps, select
from tapehead.errors import UserError, at_least
from tapehead.estimators.schema import symbols_of
from tapehead.training.storage import (
    fill,
    parse_tensors,
    sha256,
    tensor_bytes,
    write_bytes,
)

Leaves = tuple[Array, ...]


@functools.lru_cache(maxsize=16)
def _step(static: "_Static", networks: Any, memory: Any, delayed: bool) -> Callable[..., Leaves]:
    """One observation of a kind of stream, compiled once; see `Stream` for what is remembered.

    It takes and gives flat tuples of arrays and uses up what was remembered, because a step of a
    small network takes less time than finding one's way through a tree of arrays.
    """

    def step(
        arrays: Leaves,
        remembered: Leaves,
        x: Float[Array, "lanes features"],
        known: Bool[Array, " lanes"],
    ) -> Leaves:
        old = jax.tree.unflatten(memory, remembered)
        read = old["before"] if delayed else x

        def one(arrays: Any, state: State, last: Array) -> tuple[State, Array]:
            network: Cell = eqx.combine(arrays, static.cell)
            new, y = network.step(state, read)
            return select(known, new, state), select(known | ~old["seen"], y, last)

        stacked = jax.tree.unflatten(networks, arrays)
        state, last = jax.vmap(one)(stacked, old["state"], old["last"])
        new = {
            "state": state,
            "last": last,
            "seen": old["seen"] | known,
            "steps": old["steps"] + 1,
        }
        return tuple(jax.tree.leaves(new | ({"before": x} if delayed else {})))

    return jax.jit(step, donate_argnums=1)


class _Static:
    """A network without its arrays, which compiled functions can depend on."""

    def __init__(self, cell: Cell):
        self.cell = cell
        self.key = (jax.tree.structure(cell), str(cell))

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and self.key == other.key


class Stream:
    """A fitted estimator fed one observation at a time; made by its `stream` method.

    After each observation it answers as `predict` (or `predict_proba`) would for all that it has
    been fed so far. What it remembers is of one size for ever, and can be saved and forked.

    ```python
    stream = model.stream()
    for x in sensor:
        probabilities = stream.feed(x)
    ```
    """

    def __init__(self, estimator: Any, lanes: int | None, *, delayed: bool = False):
        if lanes is not None:
            at_least("stream", 1, lanes=lanes)
        networks = estimator.networks()
        expect_steps("stream", networks[0])
        self._estimator = estimator
        self._single = lanes is None
        self._lanes = lanes or 1
        arrays, rest = zip(*(eqx.partition(n, eqx.is_array) for n in networks), strict=True)
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *arrays)
        states = [network.initial_state((self._lanes,)) for network in networks]
        task = estimator.task()
        memory: dict[str, Any] = {
            "state": jax.tree.map(lambda *leaves: jnp.stack(leaves), *states),
            "last": jnp.zeros((len(networks), self._lanes, task.output_size)),
            "seen": jnp.zeros(self._lanes, bool),
            "steps": jnp.zeros((), jnp.int32),
        }
        if delayed:
            memory["before"] = jnp.zeros((self._lanes, task.input_size))
        leaves, networks_form = jax.tree.flatten(stacked)
        self._arrays: Leaves = tuple(leaves)
        self._remember(memory)
        self._step = _step(_Static(rest[0]), networks_form, self._form, delayed)

    def _remember(self, memory: dict[str, Any]) -> None:
        leaves, self._form = jax.tree.flatten(memory)
        self._last = next(n for n, leaf in enumerate(leaves) if leaf is memory["last"])
        # In arrays of its own, because a step uses up those that it is given.
        self._remembered: Leaves = tuple(jnp.array(leaf) for leaf in leaves)
        self._steps = int(memory["steps"])  # once more, where it is at hand

    @property
    def _memory(self) -> dict[str, Any]:
        return jax.tree.unflatten(self._form, self._remembered)

    @property
    def steps(self) -> int:
        """Observations so far."""
        return self._steps

    def _inputs(self, observation: Any) -> tuple[np.ndarray, np.ndarray]:
        """The inputs of all lanes, and in which of them anything is known."""
        schema, lanes = self._estimator.schema_, self._lanes
        if schema.form == "text":
            given = [observation] if self._single else list(observation)
            symbols = [symbols_of(str(one), schema.text) for one in given]
            if len(symbols) != lanes or any(len(one) != 1 for one in symbols):
                raise UserError(f"stream: expected one of the text's {schema.text} for each lane")
            numbers = schema.vocabulary.number([one[0] for one in symbols])
            return numbers, np.ones(lanes, bool)
        return schema.encode(self._rows(observation))

    def _rows(self, observation: Any) -> Any:
        """The values of all lanes as they were given: a table, or an array `(lanes, columns)`."""
        schema, lanes = self._estimator.schema_, self._lanes
        if schema.form == "table":
            given = [observation] if self._single else observation
            table = given if isinstance(given, pd.DataFrame) else pd.DataFrame(list(given))
            if len(table) != lanes:
                raise UserError(
                    f"stream: expected {lanes} rows, one for each lane, got {len(table)}"
                )
            return table
        try:
            values = np.asarray(observation, np.float64)
        except (TypeError, ValueError):
            raise UserError(f"stream: expected numbers, got {observation!r}") from None
        wanted = (lanes, len(schema.names))
        if values.size != wanted[0] * wanted[1]:
            shown = f"{wanted[1]} numbers" if self._single else f"shape {wanted}"
            raise UserError(f"stream: expected {shown} an observation, got shape {values.shape}")
        return values.reshape(wanted)

    def feed(self, observation: Any) -> Any:
        """Go on by one observation; returns the answer after it.

        **Arguments:**

        - `observation`: the values of one step: a number, an array `(columns,)`, a mapping from
          column names to values, or a word; NaN where one is missing. With several `lanes` one for
          each, leading.

        **Returns:** the probabilities of the classes, or the values; with several lanes an array
        that leads with them.
        """
        x, known = self._inputs(observation)
        if self._estimator.each_step:
            known = np.ones_like(known)
        answer = self._estimator.decoded(self._advance(x, known))
        return answer[0] if self._single else answer

    def _advance(self, x: np.ndarray, known: np.ndarray) -> np.ndarray:
        """The networks' outputs `(networks, lanes, outputs)` after another observation."""
        self._remembered = self._step(self._arrays, self._remembered, x, known)
        self._steps += 1
        return np.asarray(self._remembered[self._last])

    def fork(self) -> Self:
        """Another stream that has been fed the same, and goes its own way from here."""
        made = copy.copy(self)
        made._remember(self._memory)
        return made

    def save(self, path: Path | str) -> None:
        """Write all that it remembers to a file, as safetensors, for `model.stream(path)`."""
        path = Path(path)
        content = tensor_bytes(self._memory | {"model": self._mark()})
        try:
            write_bytes(path, content)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from None

    def restore(self, path: Path | str) -> Self:
        """Go on from what `save` wrote, maybe in another process.

        **Raises:** `UserError` if it is missing, damaged, or of another model or number of lanes.
        """
        path = Path(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        arrays = parse_tensors(str(path), content)
        if not np.array_equal(arrays.pop("model", np.zeros(0, np.uint8)), self._mark()):
            raise UserError(f"{path} is not of a stream of this model")
        self._remember(fill(str(path), self._memory, arrays))
        return self

    def _mark(self) -> np.ndarray:
        """By which a model's streams are known."""
        digest = sha256(tensor_bytes(self._estimator.weights_))
        return np.frombuffer(bytes.fromhex(digest), np.uint8)
