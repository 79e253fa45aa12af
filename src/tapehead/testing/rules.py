"""`check_rule`: what every learning rule must hold to."""

import functools
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from tapehead.cell import Cell, Chain, Stateless
from tapehead.cells import Dropout, Elman, Linear
from tapehead.learning import (
    LearningRule,
    Metrics,
    TruncatedBPTT,
    network_of,
    sequence_gradient,
)
from tapehead.memory.ntm import NTM
from tapehead.sequences import Sequences

TIME, BATCH, INPUTS, OUTPUTS = 7, 2, 3, 2
"""Sizes of the check. Rules that cut time should be given with a window of 2 to 4 steps."""
DRAWS = 2000
"""How many keys a rule that is exact on average is tried with."""


class Square(Stateless):
    """x², so that a chain of stateless cells has a gradient that is not constant."""

    input_size: int | None = eqx.field(static=True, default=None)
    output_size: int | None = eqx.field(static=True, default=None)

    def __call__(self, x: Array) -> Array:
        """x², element by element."""
        return x * x


class Costly(Cell):
    """A cell whose outputs cost the half of their squares, added up in its state."""

    cell: Cell
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, cell: Cell):
        self.cell = cell
        self.input_size = cell.input_size
        self.output_size = cell.output_size

    def initial_state(self, batch: tuple[int, ...] = (), *, key: Any = None) -> Any:
        """The inner cell's; nothing is paid for yet."""
        inner = self.cell.initial_state(batch, key=key)
        return inner, jnp.zeros(batch, jax.tree.leaves(inner)[0].dtype)

    def step(self, state: Any, x: Array) -> tuple[Any, Array]:
        """The inner cell's."""
        inner, paid = state
        inner, y = self.cell.step(inner, x)
        return (inner, paid + jnp.sum(y * y, axis=-1) / 2), y

    def penalty(self, state: Any) -> Array:
        """What the outputs cost."""
        return state[1]


@functools.cache
def small_models() -> Mapping[str, Cell]:
    """The networks that rules are checked on."""
    keys = iter(jax.random.split(jax.random.key(0), 9))
    return {
        "stateless": Chain(
            Linear(INPUTS, 3, key=next(keys)), Square(), Linear(3, OUTPUTS, key=next(keys))
        ),
        "elman": Chain(
            Costly(Elman(INPUTS, 4, learned_initial_state=True, key=next(keys))),
            Linear(4, OUTPUTS, key=next(keys)),
        ),
        "ntm": NTM(
            INPUTS,
            OUTPUTS,
            slots=4,
            width=3,
            controller_size=3,
            learned_memory=True,
            key=next(keys),
        ),
    }


def batch_of(steps: int = TIME, filler: float = 1.0) -> Sequences:
    """Random sequences, all of whose steps count differently.

    All are `TIME` steps long, so that compiled functions are shared; those from `steps` on are
    padding, and what they hold is scaled by `filler`.
    """
    random = np.random.default_rng(1)
    real = (np.arange(TIME) < steps)[:, None]
    scale = np.where(real, 1.0, filler)[..., None]
    return Sequences(
        inputs=jnp.asarray(scale * random.normal(size=(TIME, BATCH, INPUTS))),
        targets=jnp.asarray(scale * random.normal(size=(TIME, BATCH, OUTPUTS))),
        weights=jnp.asarray(real * random.uniform(0.5, 1.5, size=(TIME, BATCH))),
        mask=jnp.asarray(np.broadcast_to(real, (TIME, BATCH))),
    )


def squared_error(outputs: Array, targets: Array) -> Array:
    """The sum of squares of every step."""
    return jnp.sum((outputs - targets) ** 2, axis=-1)


def as_float64(tree: Any) -> Any:
    """The tree with its floating leaves in float64."""
    return jax.tree.map(
        lambda x: jnp.asarray(np.asarray(x, np.float64)) if eqx.is_inexact_array(x) else x, tree
    )


def whole_loss(model: Cell, sequences: Sequences) -> tuple[Array, Metrics]:
    """The loss of whole sequences, without any rule; with its scored part and the outputs."""
    state = model.initial_state(sequences.batch)
    state, outputs = model.unroll(state, sequences.inputs, mask=sequences.mask)
    scored = jnp.sum(sequences.weights * squared_error(outputs, sequences.targets))
    paid = jnp.sum(jnp.broadcast_to(model.penalty(state), sequences.batch))
    total = jnp.sum(sequences.weights)
    return (scored + paid) / total, Metrics(scored / total, outputs)


@eqx.filter_jit
def by_rule(rule: LearningRule, model: Cell, sequences: Sequences, key: Any = None) -> Any:
    """The network's gradient and metrics as the rule finds them."""
    whole = rule.extend(model, key=jax.random.key(5))
    grads, metrics = sequence_gradient(rule, whole, sequences, squared_error, key=key)
    return network_of(grads), metrics


@eqx.filter_jit
def by_jax(model: Cell, sequences: Sequences) -> tuple[Cell, Array, Metrics]:
    """Gradient, loss and metrics as JAX finds them."""
    found = eqx.filter_value_and_grad(whole_loss, has_aux=True)(model, sequences)
    (loss, metrics), grads = found
    return grads, loss, metrics


def named(grads: Any) -> dict[str, np.ndarray]:
    """The leaves of a gradient under their paths."""
    leaves = jax.tree_util.tree_leaves_with_path(grads)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def assert_same(what: str, found: Any, expected: Any, tolerance: float = 1e-9) -> None:
    """Two gradients agree, relative to the largest entry of each leaf."""
    ours, theirs = named(found), named(expected)
    assert ours.keys() == theirs.keys(), f"{what}: leaves {ours.keys() ^ theirs.keys()} differ"
    for name, value in theirs.items():
        scale = max(float(np.abs(value).max(initial=0)), 1e-3)
        np.testing.assert_allclose(
            ours[name], value, rtol=0, atol=tolerance * scale, err_msg=f"{what}: {name}"
        )


def check_rule(rule: LearningRule, *, models: Mapping[str, Cell] | None = None) -> None:
    """Check that `rule` keeps the protocol, and is as exact as its `exact` says.

    - The gradient has the shapes and types of the trainable arrays and is finite; loss and outputs
        are those of a plain forward pass; two calls agree, and a network among others under
        `vmap` and by itself.
    - What padding holds changes nothing; in training mode the key alone decides.
    - `exact == "sequence"`: equal to `jax.grad` of the whole loss, and to finite differences.
        `exact == "window"`: so where one window covers the sequence, and for stateless models
        always; but *not* for a recurrent model cut into windows shorter than its dependencies, or
        the check would have seen nothing. `exact == "average"`: so in the mean over many keys,
        within its standard error, which must be small enough to tell it from a gradient that
        sees one step at a time. A learned initial state has a gradient in all of these.

    Numbers are compared in float64.

    **Arguments:**

    - `rule`: the rule. One that cuts time should have a `window` of 2 to 4 steps, shorter than
        the check's sequences of 7 steps.
    - `models`: networks from 3 features to 2 to check it on; by default a stateless one,
        Elman and NTM. One named `"stateless"` must carry nothing.

    **Raises:** `AssertionError` that says what does not hold.
    """
    assert rule.window is None or rule.window < TIME, (
        f"check_rule: give the rule a window below {TIME} steps, got {rule.window}"
    )
    models = small_models() if models is None else models
    for name, model in models.items():
        check_types(rule, name, model)
        with jax.enable_x64(True):
            check_protocol(rule, name, as_float64(model))
            check_exactness(rule, name, as_float64(model))
    model = models["elman"] if "elman" in models else next(iter(models.values()))
    check_lanes(rule, model)
    check_training_mode(rule, model)


def check_types(rule: LearningRule, name: str, model: Cell) -> None:
    """In float32, the gradient has the shapes and types of the trainable arrays."""
    model = rule.extend(model, key=jax.random.key(5))
    grads, _ = eqx.filter_eval_shape(
        sequence_gradient, rule, model, batch_of(), squared_error, key=None
    )
    parameters = eqx.filter(model, eqx.is_inexact_array)
    assert jax.tree.structure(grads) == jax.tree.structure(parameters), (
        f"{name}: the gradient is not a tree like the trainable arrays"
    )
    for (path, grad), leaf in zip(
        jax.tree_util.tree_leaves_with_path(grads), jax.tree.leaves(parameters), strict=True
    ):
        assert (grad.shape, grad.dtype) == (leaf.shape, leaf.dtype), (
            f"{name}: the gradient of {jax.tree_util.keystr(path)} is {grad.dtype}{grad.shape}, "
            f"expected {leaf.dtype}{leaf.shape}"
        )


def check_protocol(rule: LearningRule, name: str, model: Cell) -> None:
    """Finiteness, metrics, repetition and padding."""
    grads, metrics = by_rule(rule, model, batch_of(TIME - 2))
    for path, grad in named(grads).items():
        assert np.isfinite(grad).all(), f"{name}: the gradient of {path} is not finite"
    _, _, right = by_jax(model, batch_of(TIME - 2))
    assert isinstance(metrics, Metrics), f"{name}: metrics are {type(metrics).__name__}"
    np.testing.assert_allclose(metrics.loss, right.loss, rtol=1e-9, err_msg=f"{name}: loss")
    np.testing.assert_allclose(
        metrics.outputs, right.outputs, atol=1e-9, err_msg=f"{name}: outputs"
    )
    again, _ = by_rule(rule, model, batch_of(TIME - 2))
    assert_same(f"{name}: two calls", again, grads, 0)
    others, _ = by_rule(rule, model, batch_of(TIME - 2, filler=100.0))
    assert_same(f"{name}: what padding holds", others, grads, 0)


def check_exactness(rule: LearningRule, name: str, model: Cell) -> None:
    """The rule is as exact as it says, and no more."""
    grads, _ = by_rule(rule, model, batch_of())
    expected, _, _ = by_jax(model, batch_of())
    if rule.exact == "sequence" or (rule.exact == "window" and name == "stateless"):
        assert_same(f"{name}: whole sequence", grads, expected)
        check_finite_differences(name, model, grads)
    elif rule.exact == "window":
        assert rule.window is not None, "check_rule: a rule exact for windows must have some"
        covered, _ = by_rule(rule, model, batch_of(rule.window))
        assert_same(f"{name}: one window", covered, by_jax(model, batch_of(rule.window))[0])
        differs = any(
            not np.allclose(grad, named(expected)[path], rtol=1e-3, atol=1e-6)
            for path, grad in named(grads).items()
        )
        assert differs, f"{name}: cutting time changed nothing, so the check saw nothing"
    elif rule.exact == "average":
        check_average(rule, name, model)
    if rule.exact != "nothing":
        for path, grad in named(grads).items():
            if "initial" in path:
                assert np.abs(grad).max() > 0, f"{name}: {path} is not learned"


def check_finite_differences(name: str, model: Cell, grads: Cell) -> None:
    """The gradient along random directions is the slope of the loss."""
    parameters, static = eqx.partition(model, eqx.is_inexact_array)
    arrays = jax.tree.map(np.asarray, parameters)
    random = np.random.default_rng(2)
    step = 1e-6

    def loss(direction: Any, distance: float) -> float:
        moved = jax.tree.map(lambda x, d: jnp.asarray(x + distance * d), arrays, direction)
        return float(by_jax(eqx.combine(moved, static), batch_of())[1])

    for _ in range(3):
        direction = jax.tree.map(lambda x: random.normal(size=x.shape), arrays)
        slope = (loss(direction, step) - loss(direction, -step)) / (2 * step)
        along = jax.tree.map(lambda g, d: np.sum(np.asarray(g) * d), grads, direction)
        np.testing.assert_allclose(
            sum(jax.tree.leaves(along)),
            slope,
            rtol=1e-6,
            atol=1e-8,
            err_msg=f"{name}: finite differences",
        )


def check_average(rule: LearningRule, name: str, model: Cell) -> None:
    """In the mean over keys the rule gives the exact gradient, and the check would see if not."""
    vector, unravel = ravel_pytree(eqx.filter(by_jax(model, batch_of())[0], eqx.is_inexact_array))
    exact = np.asarray(vector)
    keys = jax.random.split(jax.random.key(4), DRAWS)

    def one(key: Any) -> Array:
        return ravel_pytree(by_rule(rule, model, batch_of(), key)[0])[0]

    drawn = np.asarray(jax.jit(jax.vmap(one))(keys))
    spread = drawn.std(axis=0) / np.sqrt(DRAWS)
    off = np.abs(drawn.mean(axis=0) - exact)
    wrong = unravel(jnp.asarray(off > 5 * spread + 1e-9, exact.dtype))
    for path, where in named(wrong).items():
        assert not where.any(), f"{name}: the mean of {path} is not the exact gradient"
    cut = np.asarray(ravel_pytree(by_rule(TruncatedBPTT(window=1), model, batch_of())[0])[0])
    missed = np.linalg.norm(cut - exact)
    if name == "stateless":
        return
    along = drawn @ (cut - exact) / missed
    error = along.std() / np.sqrt(DRAWS)
    assert abs(along.mean() - exact @ (cut - exact) / missed) < 5 * error, (
        f"{name}: the mean leans towards what one step sees"
    )
    assert missed > 10 * error, f"{name}: too noisy, so that the check saw nothing"


def check_lanes(rule: LearningRule, model: Cell) -> None:
    """A network among others under `vmap` has the gradient it has by itself."""
    arrays, static = eqx.partition(model, eqx.is_array)
    stacked = jax.tree.map(lambda x: jnp.stack([x, 0.5 * x]), arrays)

    def gradient(arrays: Any) -> Any:
        return by_rule(rule, eqx.combine(arrays, static), batch_of())[0]

    first = jax.tree.map(lambda x: x[0], jax.jit(jax.vmap(gradient))(stacked))
    assert_same("under vmap", first, gradient(arrays), 1e-5)


def check_training_mode(rule: LearningRule, model: Cell) -> None:
    """With a key, dropout is drawn from it: other keys, other gradients; the same key, the same."""
    keys = jax.random.split(jax.random.key(3), 2)
    # Not a chain within a chain: some rules look at the members.
    members = model.cells if isinstance(model, Chain) else (model,)
    model = Chain(*members, Dropout(0.5))
    one, _ = by_rule(rule, model, batch_of(), keys[0])
    same, _ = by_rule(rule, model, batch_of(), keys[0])
    other, _ = by_rule(rule, model, batch_of(), keys[1])
    assert_same("training mode: the same key", same, one, 0)
    differs = any(not np.array_equal(g, named(other)[path]) for path, g in named(one).items())
    assert differs, "training mode: the key changes nothing"
