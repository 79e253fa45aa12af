"""What a step depends on: which parameters reach the state, and which of the state matters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from jaxtyping import Array

from tapehead.cell import Cell, State
from tapehead.errors import UserError

CALLS = ("jit", "closed_call", "custom_jvp_call", "custom_vjp_call", "checkpoint")
"""Primitives that only call a function; all others mix whatever they are given."""


def called(equation: Any) -> Jaxpr | None:
    """The function that an equation calls, if it does nothing else."""
    if equation.primitive.name not in CALLS:
        return None
    inner = next(v for k, v in equation.params.items() if k in ("jaxpr", "call_jaxpr"))
    return inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner


def sources(jaxpr: Jaxpr, inputs: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    """For every output, the numbers of what it has a derivative with respect to.

    `inputs` are those of every input. Whole numbers and what `stop_gradient` gives have none.
    """
    none: frozenset[int] = frozenset()
    known: dict[Any, frozenset[int]] = dict(zip(jaxpr.invars, inputs, strict=True))

    def of(variable: Any) -> frozenset[int]:
        return none if isinstance(variable, Literal) else known.get(variable, none)

    for equation in jaxpr.eqns:
        given = [of(variable) for variable in equation.invars]
        inner = called(equation)
        if inner is not None:
            found = sources(inner, given)
        elif equation.primitive.name == "stop_gradient":
            found = [none] * len(equation.outvars)
        else:
            found = [none.union(*given)] * len(equation.outvars)
        for variable, numbers in zip(equation.outvars, found, strict=True):
            moves = jnp.issubdtype(getattr(variable.aval, "dtype", jnp.bool_), jnp.inexact)
            known[variable] = numbers if moves else none
    return [of(variable) for variable in jaxpr.outvars]


def example_input(model: Cell) -> jax.ShapeDtypeStruct:
    """One input as `model` takes it, without batch axes: an integer token, or features.

    **Raises:** `UserError` if neither will do.
    """
    floats = [leaf.dtype for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))]
    dtype = floats[0] if floats else jnp.float32
    parts = jax.tree.leaves(
        model, is_leaf=lambda part: isinstance(part, Cell) and part.input_size is not None
    )
    sizes = [part.input_size for part in parts if isinstance(part, Cell)]
    inputs = [jax.ShapeDtypeStruct((size,), dtype) for size in (*sizes[:1], 1)]
    if model.input_size is None:
        inputs.insert(0, jax.ShapeDtypeStruct((), jnp.int32))
    for x in inputs:
        try:
            eqx.filter_eval_shape(lambda m, x: m.step(m.initial_state(()), x), model, x)
        except (UserError, TypeError, ValueError):
            continue
        return x
    raise UserError(f"{type(model).__name__}: takes neither features nor tokens, one at a time")


@dataclass(frozen=True)
class Reach:
    """What of a model an influence is about, as flags in the order of the trees' leaves.

    **Attributes:**

    - `parameters`: which leaves of the model reach the state, in a step or as it begins.
    - `states`: which leaves of the state they reach, in any number of steps, that reach an output
        or a penalty in turn.
    - `begins`: whether the initial state depends on parameters.
    """

    parameters: tuple[bool, ...]
    states: tuple[bool, ...]
    begins: bool


def lane_of(state: State, axes: int) -> State:
    """The shapes of one sequence's state, of a state with so many batch `axes`."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[axes:], x.dtype), state)


def begin_like(model: Cell, state: State) -> State:
    """The initial state of one sequence, in training mode if `state` is."""
    leaves, tree = jax.tree.flatten(jax.eval_shape(lambda: model.initial_state(())))
    kept, wanted = jax.tree.flatten(state)
    same = tree == wanted and [x.shape for x in leaves] == [x.shape for x in kept]
    return model.initial_state((), key=None if same else jax.random.key(0))


def reach(model: Cell, state: State) -> Reach:
    """Find it by following the variables of one step; nothing is computed.

    Within a step this is exact up to whole arrays: an array depends on another if any of its
    numbers may.

    **Arguments:**

    - `model`: the model.
    - `state`: the shapes of one sequence's state.
    """
    arrays, static = eqx.partition(model, eqx.is_array)
    leaves, tree = jax.tree.flatten(arrays)
    kept, state_tree = jax.tree.flatten(state)
    first, count = len(leaves), len(kept)
    numbers = [
        frozenset([n]) if jnp.issubdtype(leaf.dtype, jnp.inexact) else frozenset[int]()
        for n, leaf in enumerate((*leaves, *kept))
    ]

    def step(leaves: Any, kept: Any, x: Array) -> Any:
        model, before = eqx.combine(tree.unflatten(leaves), static), state_tree.unflatten(kept)
        state, y = model.step(before, x)
        return jax.tree.leaves(state), (y, model.penalty(state), model.penalty(before))

    def begin(leaves: Any) -> Any:
        return jax.tree.leaves(begin_like(eqx.combine(tree.unflatten(leaves), static), state))

    stepped = jax.make_jaxpr(step)(leaves, kept, example_input(model)).jaxpr
    found = sources(stepped, [*numbers, frozenset()])
    begun = sources(jax.make_jaxpr(begin)(leaves).jaxpr, numbers[:first])
    after = [one | other for one, other in zip(found[:count], begun, strict=True)]

    # The closure over steps, forwards from the parameters and backwards from what is wanted.
    states = range(first, first + count)
    moved = {s for s in states if any(n < first for n in after[s - first])}
    wanted = {n for numbers in found[count:] for n in numbers if n >= first}
    for _ in states:
        moved |= {s for s in states if after[s - first] & moved}
        wanted |= {n for s in wanted for n in found[s - first] if n >= first}
    live = moved & wanted
    reaching = {n for s in live for n in after[s - first] if n < first}
    at_start = any(n < first for s in live for n in begun[s - first])
    return Reach(
        tuple(n in reaching for n in range(first)), tuple(s in live for s in states), at_start
    )
