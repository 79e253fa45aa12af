"""`Stream`: a fitted estimator fed one observation at a time."""

import copy
import functools
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


@functools.partial(jax.jit, static_argnums=0)
def _step(
    static: Any,
    arrays: Any,
    memory: dict[str, Any],
    x: Float[Array, "lanes features"],
    known: Bool[Array, " lanes"],
) -> dict[str, Any]:
    """What is remembered after one observation; what is not known leaves the state as it was."""

    def one(arrays: Any, state: State, last: Array) -> tuple[State, Array]:
        network: Cell = eqx.combine(arrays, static.cell)
        new, y = network.step(state, x)
        return select(known, new, state), select(known | ~memory["seen"], y, last)

    state, last = jax.vmap(one)(arrays, memory["state"], memory["last"])
    return {
        "state": state,
        "last": last,
        "seen": memory["seen"] | known,
        "steps": memory["steps"] + 1,
    }


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

    def __init__(self, estimator: Any, lanes: int | None):
        if lanes is not None:
            at_least("stream", 1, lanes=lanes)
        networks = estimator.networks()
        expect_steps("stream", networks[0])
        self._estimator = estimator
        self._single = lanes is None
        self._lanes = lanes or 1
        arrays, rest = zip(*(eqx.partition(n, eqx.is_array) for n in networks), strict=True)
        self._arrays = jax.tree.map(lambda *leaves: jnp.stack(leaves), *arrays)
        self._static = _Static(rest[0])
        states = [network.initial_state((self._lanes,)) for network in networks]
        outputs = estimator.task().output_size
        self._memory: dict[str, Any] = {
            "state": jax.tree.map(lambda *leaves: jnp.stack(leaves), *states),
            "last": jnp.zeros((len(networks), self._lanes, outputs)),
            "seen": jnp.zeros(self._lanes, bool),
            "steps": jnp.zeros((), jnp.int32),
        }

    @property
    def steps(self) -> int:
        """Observations so far."""
        return int(self._memory["steps"])

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
        if schema.form == "table":
            given = [observation] if self._single else observation
            table = given if isinstance(given, pd.DataFrame) else pd.DataFrame(list(given))
            if len(table) != lanes:
                raise UserError(
                    f"stream: expected {lanes} rows, one for each lane, got {len(table)}"
                )
            return schema.encode(table)
        try:
            values = np.asarray(observation, np.float64)
        except (TypeError, ValueError):
            raise UserError(f"stream: expected numbers, got {observation!r}") from None
        wanted = (lanes, len(schema.names))
        if values.size != wanted[0] * wanted[1]:
            shown = f"{wanted[1]} numbers" if self._single else f"shape {wanted}"
            raise UserError(f"stream: expected {shown} an observation, got shape {values.shape}")
        return schema.encode(values.reshape(wanted))

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
        self._memory = _step(self._static, self._arrays, self._memory, x, known)
        answer = self._estimator.decoded(np.asarray(self._memory["last"]))
        return answer[0] if self._single else answer

    def fork(self) -> Self:
        """Another stream that has been fed the same, and goes its own way from here."""
        return copy.copy(self)

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
        self._memory = fill(str(path), self._memory, arrays)
        return self

    def _mark(self) -> np.ndarray:
        """By which a model's streams are known."""
        digest = sha256(tensor_bytes(self._estimator.weights_))
        return np.frombuffer(bytes.fromhex(digest), np.uint8)
