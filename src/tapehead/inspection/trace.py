"""`trace`: everything a network's state held, over time."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PRNGKeyArray

from tapehead.cell import Cell, Composite, State, guarded_step, reads_whole, select
from tapehead.errors import UserError, nearest


def matches(name: str, pattern: str) -> bool:
    """Whether `pattern` names the field `name`.

    It does if it equals the whole name or a dotted tail of it, `*` standing for anything:
    `1.memory.usage`, `memory.usage`, `usage` and `memory.*` all name `1.memory.usage`.
    """
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"*.{pattern}")


class Trace(eqx.Module):
    """What a network took in, carried and gave out, over time.

    Fields are named by their path in the state. A network that is itself a memory cell has
    `memory.usage` and `controller.hidden`; as the second member of a `Chain` it has
    `1.memory.usage`. The contents of the memory are `memory.memory`. What the network can show
    beside its state (`Cell.observe`) is named in the same way: `interface.write_gate`,
    `memory.allocation`. State fields hold the value after the step, observed ones that of the
    step itself.

    A network that must read a sequence whole has no state at a step. What can be stepped inside it
    is recorded as ever; of what cannot, the outputs: `0.output`.

    **Attributes:**

    - `inputs`: `(time, *batch, features)`, or `(time, *batch)` tokens.
    - `outputs`: `(time, *batch, outputs)`.
    - `fields`: from names to arrays `(time, *batch, ...)`.
    """

    inputs: Array
    outputs: Array
    fields: dict[str, Array]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all recorded fields, sorted."""
        return tuple(self.fields)

    def find_all(self, pattern: str) -> dict[str, Array]:
        """The fields that `pattern` names (see `matches`); none is fine."""
        return {name: x for name, x in self.fields.items() if matches(name, pattern)}

    def find(self, pattern: str) -> Array:
        """The one field that `pattern` names, e.g. `find("usage")`.

        **Raises:** `UserError` if there is none, or more than one.
        """
        found = self.find_all(pattern)
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            raise UserError(f"trace: '{pattern}' names several fields: {', '.join(found)}")
        known = [*self.fields, *(name.rsplit(".", 1)[-1] for name in self.fields)]
        names = ", ".join(self.fields) or "none"
        raise UserError(f"trace: no field '{pattern}'{nearest(pattern, known)} (recorded: {names})")

    def lane(self, *index: int) -> "Trace":
        """One sequence of the batch: every array with its batch axes indexed away."""
        return jax.tree.map(lambda x: x[:, *index], self)


def named_leaves(tree: Any) -> dict[str, Array]:
    """The arrays of a pytree by their dotted paths; PRNG keys are left out."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if eqx.is_array(leaf) and not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    }


def _record(model: Cell, state: State, seen: dict[str, Any]) -> dict[str, Array]:
    """State fields and observed quantities in one table."""
    held, shown = named_leaves(model.shown(state)), named_leaves(seen)
    if twice := held.keys() & shown.keys():
        raise UserError(
            f"trace: {type(model).__name__}.observe shows {', '.join(sorted(twice))}, which its "
            "state already holds; give it another name"
        )
    return held | shown


Sieve = Callable[[str], bool]
"""Whether a field, by its name within the cell at hand, is to be recorded."""


def _stepped(
    cell: Cell, state: State, xs: Array, mask: Array | None, starts: Array | None, sieve: Sieve
) -> tuple[Array, dict[str, Array]]:
    """The outputs and the record, step by step."""

    def body(state: State, now: tuple[Array, Array | None, Array | None]) -> tuple[State, Any]:
        x, mask, start = now
        if start is not None:
            state = select(start, cell.restart(state, start.shape), state)
        seen = cell.observe(state, x)
        state, y = guarded_step(cell, state, x, mask, None)
        if mask is not None:
            seen = select(mask, seen, jax.tree.map(jnp.zeros_like, seen))
        record = _record(cell, state, seen)
        return state, (y, {n: v for n, v in record.items() if sieve(n)})

    return jax.lax.scan(body, state, (xs, mask, starts))[1]


def _whole(
    cell: Cell, state: State, xs: Array, mask: Array | None, starts: Array | None, sieve: Sieve
) -> tuple[Array, dict[str, Array]]:
    """The same of a network that cannot be stepped, member by member."""
    if not reads_whole(cell):
        return _stepped(cell, state, xs, mask, starts, sieve)
    if not isinstance(cell, Composite):
        ys = cell.unroll(state, xs, mask=mask, starts=starts)[1]
        return ys, {"output": ys} if sieve("output") else {}
    fields: dict[str, Array] = {}

    def member(n: int, xs: Array) -> Array:
        inside = cell.cells[n], state[n], xs, mask, starts
        ys, found = _whole(*inside, lambda name: sieve(f"{n}.{name}"))
        fields.update({f"{n}.{name}": values for name, values in found.items()})
        return ys

    return cell.connect(member, xs), fields


@eqx.filter_jit
def _trace(
    model: Cell,
    state: State,
    inputs: Array,
    mask: Array | None,
    starts: Array | None,
    fields: tuple[str, ...],
) -> Trace:
    def sieve(name: str) -> bool:
        return any(matches(name, pattern) for pattern in fields)

    return Trace(inputs, *_whole(model, state, inputs, mask, starts, sieve))


def trace(
    model: Cell,
    inputs: Array,
    *,
    mask: Bool[Array, "time *batch"] | None = None,
    starts: Bool[Array, "time *batch"] | None = None,
    key: PRNGKeyArray | None = None,
    fields: Sequence[str] = ("*",),
) -> Trace:
    """Run `model` from its initial state and record what it carried and what it shows.

    ```python
    seen = trace(model, inputs)              # inputs (time, features)
    seen.names                               # ("controller.hidden", "memory.usage", ...)
    seen.find("usage")                       # (time, slots)
    ```

    **Arguments:**

    - `model`: any `Cell`, a `Chain` included.
    - `inputs`: `(time, *batch, features)`; integers are taken as tokens `(time, *batch)`.
    - `mask`, `starts`: as in `Cell.unroll`. On padding the state is held, and the output and
        the observed quantities are zero.
    - `key`: for training mode (dropout, noise); without it the network is deterministic.
    - `fields`: record only what these patterns name (see `matches`), e.g.
        `("usage", "*_weights")`; the links of a large memory are N² numbers a step. Of a sparse
        memory with many slots only the rows that a step touched are there to be recorded.

    **Returns:** a `Trace`. Random keys in the state are not recorded.

    **Raises:** `UserError` if a pattern names no field of this model, or `inputs` has too few
    axes.
    """
    features = 0 if jnp.issubdtype(inputs.dtype, jnp.integer) else 1
    if inputs.ndim < 1 + features:
        raise UserError(
            "trace: inputs must be (time, *batch, features), or integer tokens (time, *batch), "
            f"got shape {inputs.shape}"
        )
    batch = inputs.shape[1 : inputs.ndim - features]
    state = model.initial_state(batch, key=key)
    seen = _trace(model, state, inputs, mask, starts, tuple(fields))
    for pattern in fields:
        if pattern != "*" and not seen.find_all(pattern):
            known = fields_of(model, inputs, key=key)
            raise UserError(
                f"trace: no field '{pattern}'{nearest(pattern, known)} "
                f"(this model has: {', '.join(known) or 'none'})"
            )
    return seen


def fields_of(
    model: Cell, inputs: Array, *, key: PRNGKeyArray | None = None
) -> dict[str, jax.ShapeDtypeStruct]:
    """The names, shapes and dtypes that `trace` would record, without computing anything."""
    return eqx.filter_eval_shape(trace, model, inputs, key=key).fields
