"""The compiled part of training: many updates of many networks in one call."""

import functools
import math
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from tapehead.cell import Cell, expect_steps, select
from tapehead.learning import Search, stream_gradient
from tapehead.learning.bptt import window_loss
from tapehead.learning.interfaces import units_of
from tapehead.learning.rule import Carry, Metrics, as_vector
from tapehead.numerics import norm
from tapehead.sequences import Sequences
from tapehead.tasks import Task
from tapehead.tasks.task import Data, Turn
from tapehead.training.config import AnyConfig
from tapehead.training.networks import Networks, one_of
from tapehead.training.strengths import strengths

Arrays = Any
"""The arrays of a network: the whole model with everything else replaced by `None`."""


SEARCH = 3
"""What is folded into a key for what a search draws."""
TURNS = 4
"""What is folded into a key for whose turn it is."""

QUICK = {"xla_backend_optimization_level": 0}
"""Compiler options for what runs seldom: compiled three times as fast, a few times slower."""


class Progress(NamedTuple):
    """All that updates change; every leaf leads with the networks' axis.

    **Attributes:**

    - `arrays`: the networks' arrays.
    - `optimizer`: the Optax state, one for each unit where these take turns; where a search stands.
    - `carry`: what the rule carries from update to update along a stream; `()` elsewhere.
    - `sums`: metrics summed over the updates since the last line of `metrics.jsonl`.
    - `bad`: the first update whose gradient or parameters were not finite; −1: none. From there
        on the network is held as it was before that update.
    """

    arrays: Arrays
    optimizer: Any
    carry: Carry
    sums: Mapping[str, Float[Array, "..."]]
    bad: Int[Array, "..."]


class Gradient(NamedTuple):
    """What one update is made from.

    **Attributes:**

    - `vector`: the gradient of loss and regularisation, before clipping, as `as_vector` lays out
        the parameters. Optimisers work on this one vector: a few large operations are compiled
        and run faster than a few for every parameter.
    - `metrics`: `loss` (the batch's mean in nats per scored step, without regularisation),
        `gradient_norm` (of `vector`) and the task's own, as means over the batch.
    - `carry`: what to carry into the next update, where the task streams.
    """

    vector: Float[Array, " parameters"]
    metrics: Mapping[str, Float[Array, ""]]
    carry: Carry


class Change(NamedTuple):
    """What one update does.

    **Attributes:**

    - `vector`: what is added to the parameters.
    - `optimizer`: the Optax state after it.
    - `metrics`, `carry`: as of `Gradient`; `gradient_norm` is the mean over windows where each has
        a step of its own.
    """

    vector: Float[Array, " parameters"]
    optimizer: Any
    metrics: Mapping[str, Float[Array, ""]]
    carry: Carry


class Batch(NamedTuple):
    """What an update learns from.

    **Attributes:**

    - `sequences`: drawn from the task.
    - `model`: the model where its gradient is to be taken.
    - `carry`: what the rule begins with.
    """

    sequences: Sequences
    model: Cell
    carry: Carry


def draw(
    config: AnyConfig,
    task: Task,
    model: Cell,
    turn: Turn,
    data: Data,
    carry: Carry = (),
    bucket: int = 0,
) -> Batch:
    """What the update of this `turn` learns from.

    `carry` is from the update before; it is used where a stream goes on and the rule has windows.
    """
    if task.streams:
        expect_steps(type(task).__name__, model)
    sample_key, model_key, noise_key = jax.random.split(turn.key, 3)
    sequences = task.draw(turn._replace(key=sample_key), config.batch, data, bucket)
    if task.streams:
        sequences = sequences._replace(more=jnp.ones(sequences.batch, bool))
    if config.weight_noise:
        vector, model_at = as_vector(model)
        noise = jax.random.normal(noise_key, vector.shape, vector.dtype)
        model = model_at(vector + config.weight_noise * noise)
    begun = config.rule.begin(model, sequences.batch, key=model_key)
    if not carries(config, task):
        return Batch(sequences, model, begun)
    anew = task.begins(turn._replace(key=sample_key), config.batch, data)
    return Batch(sequences, model, config.rule.renew(carry, begun, anew))


def dry_run(config: AnyConfig, data: Data) -> None:
    """Build a network and draw its first batch, computing nothing.

    **Raises:** `UserError` for settings that turn out not to fit each other, or the data.
    """
    task, build = config.task, Networks(config).build

    def first(key: PRNGKeyArray, data: Data) -> Sequences:
        model = build(key)
        for kind in ("l1_parts", "l2_parts"):
            strengths(kind, model, 0.0, getattr(config, kind))
        return task.draw(Turn(jnp.int32(0), key, key), config.batch, data)

    eqx.filter_eval_shape(first, jax.random.key(0), data)


def carries(config: AnyConfig, task: Task) -> bool:
    """Whether an update begins with what the one before it carried away."""
    return task.streams and config.rule.window is not None


def means(task: Task, seen: Metrics, sequences: Sequences) -> dict[str, Float[Array, ""]]:
    """The loss, and the means of the task's own metrics over the batch."""
    own = {name: jnp.mean(v) for name, v in task.metrics(seen.outputs, sequences).items()}
    return own | {"loss": seen.loss}


def in_bucket(
    config: AnyConfig,
    task: Task,
    turn: Turn,
    data: Data,
    function: Callable[[int, Any], Any],
    argument: Any,
) -> Any:
    """`function` of the number of this turn's bucket, and of `argument`."""
    branches = [functools.partial(function, n) for n in range(task.buckets(data))]
    if len(branches) == 1:
        return branches[0](argument)
    bucket = task.bucket(turn.number, config.batch, data)
    return jax.lax.switch(bucket, branches, argument)


def gradient(
    config: AnyConfig, task: Task, model: Cell, turn: Turn, data: Data, carry: Carry = ()
) -> Gradient:
    """Draw the batch of this `turn` and take the gradient of its regularised loss."""

    def of_bucket(number: int, carry: Carry) -> Gradient:
        sequences, at, begun = draw(config, task, model, turn, data, carry, number)
        grads, carried, seen = stream_gradient(config.rule, at, begun, sequences, task.loss)
        vector, _ = ravel_pytree(grads)
        own = means(task, seen, sequences)
        return Gradient(vector, own, carried if carries(config, task) else ())

    vector, metrics, carry = in_bucket(config, task, turn, data, of_bucket, carry)
    vector = regularised(config, model, vector)
    return Gradient(vector, {**metrics, "gradient_norm": norm(vector)}, carry)


def regularised(config: AnyConfig, model: Cell, vector: Float[Array, " n"]) -> Float[Array, " n"]:
    """The gradient `vector` of the loss with that of the config's regularisation."""
    if config.l1 or config.l1_parts:
        l1 = strengths("l1_parts", model, config.l1, config.l1_parts)
        vector += l1 * jnp.sign(as_vector(model)[0])
    if config.l2 or config.l2_parts:
        vector += strengths("l2_parts", model, config.l2, config.l2_parts) * as_vector(model)[0]
    return vector


def clip(config: AnyConfig, vector: Float[Array, " n"]) -> Float[Array, " n"]:
    """The gradient held to the config's limits: each component first, then the norm."""
    if config.clip_value is not None:
        vector = jnp.clip(vector, -config.clip_value, config.clip_value)
    if config.clip_norm is not None:
        vector *= config.clip_norm / jnp.maximum(norm(vector), config.clip_norm)
    return vector


class Updater:
    """Makes updates of all networks of a run.

    Update number u of network k draws everything random from `fold_in(key_k, u)`, so that the
    number alone says where a run stands.

    **Attributes:**

    - `config`: of the run.
    - `optimizer`: its Optax transformation.
    - `static`: what the networks have in common: the model without its arrays.
    - `together`: whether all networks make each step together, under `vmap`, as suits an
        accelerator. On a CPU, where a larger batch is not faster, every network has a call of its
        own, and as many run at a time as there are cores.
    """

    def __init__(self, config: AnyConfig, static: Cell):
        self.config = config
        self.together = jax.default_backend() != "cpu"
        self.pool = ThreadPoolExecutor(os.cpu_count() or 1, "training")
        often = config.rule.probability if config.takes_turns else 1
        self.optimizer = config.optimizer.build(max(1, round(often * config.updates)))
        self.static = static
        self._compiled: dict[Task, Callable[..., Progress]] = {}
        self._begin: dict[Callable[..., Cell], Callable[[PRNGKeyArray], Progress]] = {}

    def begin(
        self, build: Callable[[PRNGKeyArray], Cell], keys: PRNGKeyArray, data: Data
    ) -> Progress:
        """The progress of networks that have just been built, each with its key.

        It is compiled at the first call, for all further ones with the same `build`.
        """
        if build in self._begin:
            return self._begin[build](keys)
        task, batch = self.config.task, self.config.batch

        def metrics(data: Data) -> Mapping[str, Array]:
            sequences = task.sample(jax.random.key(0), batch, data)
            return task.metrics(jnp.zeros((*sequences.weights.shape, task.output_size)), sequences)

        names = [*jax.eval_shape(metrics, data), "loss", "gradient_norm"]
        if self.config.online:
            windows = math.ceil(self.steps(task, data) / self.config.rule.window)
            self.optimizer = self.config.optimizer.build(self.config.updates * windows)

        def one(key: PRNGKeyArray) -> Progress:
            model = build(key)
            begin = self.config.rule.begin
            vector, _ = as_vector(model)
            return Progress(
                arrays=eqx.filter(model, eqx.is_array),
                optimizer=self.start(model, jax.random.fold_in(key, SEARCH)),
                carry=begin(model, (batch,), key=key) if carries(self.config, task) else (),
                sums=dict.fromkeys(names, jnp.zeros((), vector.dtype)),
                bad=jnp.int32(-1),
            )

        self._begin[build] = jax.jit(jax.vmap(one), compiler_options=QUICK)
        return self._begin[build](keys)

    def start(self, model: Any, key: PRNGKeyArray) -> Any:
        """Where the optimiser stands to begin with, or the search that takes its place."""
        vector, _ = as_vector(model)
        if isinstance(self.config.rule, Search):
            return self.config.rule.start(vector, key)
        if self.config.takes_turns:
            return tuple(
                self.optimizer.init(as_vector(unit.of(model))[0]) for unit in units_of(model)
            )
        return self.optimizer.init(vector)

    def step(
        self, vector: Float[Array, " n"], optimizer: Any, grads: Float[Array, " n"]
    ) -> tuple[Float[Array, " n"], Any]:
        """How the optimiser changes the parameters `vector` along the clipped gradient."""
        # Optax counts its updates in whole numbers and takes powers of them.
        with jax.numpy_dtype_promotion("standard"):
            return self.optimizer.update(clip(self.config, grads), optimizer, vector)

    def _by_sequences(
        self, task: Task, model: Cell, turn: Turn, data: Data, before: Progress
    ) -> Change:
        """One step of the optimiser, along the gradient of whole sequences."""
        grads, metrics, carry = gradient(self.config, task, model, turn, data, before.carry)
        change, optimizer = self.step(as_vector(model)[0], before.optimizer, grads)
        return Change(change, optimizer, metrics, carry)

    def _by_windows(
        self, task: Task, model: Cell, turn: Turn, data: Data, before: Progress
    ) -> Change:
        """A step of the optimiser after every window.

        A window's loss counts as many times over as there are windows, so that learning rates mean
        the same as elsewhere. Windows in which there is nothing to learn change nothing.
        """
        config = self.config
        start, model_at = as_vector(model)

        def of_bucket(number: int, before: Progress) -> Change:
            sequences, at, begun = draw(config, task, model, turn, data, before.carry, number)
            noise = as_vector(at)[0] - start
            time = sequences.weights.shape[0]
            windows = sequences.normalised().windows(config.rule.window)
            count = windows.weights.shape[0]

            def body(now: Any, window: Sequences) -> Any:
                vector, optimizer, carry = now
                at = model_at(vector + noise)
                grads, carry, seen = config.rule.gradient(at, carry, window, task.loss)
                found = count * ravel_pytree(grads)[0]
                whole = regularised(config, model_at(vector), found)
                change, after = self.step(vector, optimizer, whole)
                learns = jnp.any(found != 0)
                vector, optimizer = select(learns, (vector + change, after), (vector, optimizer))
                return (vector, optimizer, carry), (seen, norm(whole))

            now = (start, before.optimizer, begun)
            (vector, optimizer, carry), (seen, norms) = jax.lax.scan(body, now, windows)
            outputs = seen.outputs.reshape(-1, *seen.outputs.shape[2:])[:time]
            own = means(task, Metrics(jnp.sum(seen.loss), outputs), sequences)
            metrics = {**own, "gradient_norm": jnp.mean(norms)}
            return Change(
                vector - start, optimizer, metrics, carry if carries(config, task) else ()
            )

        return in_bucket(config, task, turn, data, of_bucket, before)

    def _in_turn(self, task: Task, model: Cell, turn: Turn, data: Data, before: Progress) -> Change:
        """Steps of the units whose turn it is, each with an optimiser of its own.

        What is clipped is a unit's gradient; `gradient_norm` is that of all that were used.
        """
        config, key = self.config, jax.random.fold_in(turn.key, TURNS)

        def of_bucket(number: int, standing: Any) -> Change:
            sequences, at, begun = draw(config, task, model, turn, data, (), number)
            after, standing, norms, seen = config.rule.updates_in_turn(
                *(at, standing, begun, sequences.normalised(), task.loss), step=self.step, key=key
            )
            change = as_vector(after)[0] - as_vector(model)[0]
            metrics = {**means(task, seen, sequences), "gradient_norm": norm(norms)}
            return Change(change, standing, metrics, ())

        return in_bucket(config, task, turn, data, of_bucket, before.optimizer)

    def _by_search(
        self, task: Task, model: Cell, turn: Turn, data: Data, before: Progress
    ) -> Change:
        """One generation of a search; the metrics are those of the best one before it."""
        config, key = self.config, jax.random.fold_in(turn.key, SEARCH)

        def of_bucket(number: int, standing: Any) -> Change:
            sequences, _, begun = draw(config, task, model, turn, data, (), number)
            whole = sequences.normalised()
            state = model.initial_state(whole.batch, key=begun)
            _, (_, seen) = window_loss(model, state, whole, task.loss)
            best, standing = config.rule.generation(
                standing, model, sequences, task.loss, begun=begun, key=key
            )
            change = best - as_vector(model)[0]
            metrics = {**means(task, seen, sequences), "gradient_norm": jnp.zeros((), best.dtype)}
            return Change(change, standing, metrics, ())

        return in_bucket(config, task, turn, data, of_bucket, before.optimizer)

    def _update(
        self, task: Task, key: PRNGKeyArray, data: Data, number: Array, before: Progress
    ) -> Progress:
        """Update `number` of one network; it is held if anything is not finite."""
        model = eqx.combine(before.arrays, self.static)
        turn = Turn(number, jax.random.fold_in(key, number), key)
        vector, model_at = as_vector(model)
        if isinstance(self.config.rule, Search):
            learn = self._by_search
        elif self.config.takes_turns:
            learn = self._in_turn
        else:
            learn = self._by_windows if self.config.online else self._by_sequences
        change, optimizer, metrics, carry = learn(task, model, turn, data, before)
        # A change whose square overflows is as good as infinite; a gradient is clipped first.
        finite = jnp.isfinite(metrics["gradient_norm"]) & jnp.isfinite(jnp.linalg.norm(change))
        good = finite & (before.bad < 0)
        after = model_at(select(good, vector + change, vector))
        return Progress(
            arrays=eqx.filter(after, eqx.is_array),
            optimizer=select(good, optimizer, before.optimizer),
            carry=select(good, carry, before.carry),
            sums={name: before.sums[name] + value for name, value in metrics.items()},
            bad=jnp.where(finite | (before.bad >= 0), before.bad, number),
        )

    def _updates(
        self,
        task: Task,
        progress: Progress,
        active: Bool[Array, ""],
        key: PRNGKeyArray,
        data: Data,
        start: Int[Array, ""],
        stop: Int[Array, ""],
    ) -> Progress:
        """Updates `start` up to `stop` − 1 of one network."""
        # A network that is held makes no turns at all, and costs nothing.
        turns = jnp.where(active, stop, start)
        return jax.lax.fori_loop(
            start, turns, lambda u, p: self._update(task, key, data, u, p), progress
        )

    def prepare(self, progress: Progress, task: Task, data: Data) -> float:
        """Compile the updates on `task`; returns the time steps of its sequences, on average."""
        lanes = progress.bad.shape[0]
        keys = jax.vmap(jax.random.key)(jnp.zeros(lanes, jnp.uint32))
        lane = (progress, jnp.zeros(lanes, bool), keys)
        function = functools.partial(self._updates, task)
        if self.together:
            function = jax.vmap(function, in_axes=(0, 0, 0, None, None, None))
        else:
            lane = one_of(lane, 0)
        arguments = (*lane, data, jnp.int32(0), jnp.int32(0))
        self._compiled[task] = jax.jit(function, donate_argnums=0).lower(*arguments).compile()
        return self.steps(task, data)

    def steps(self, task: Task, data: Data) -> float:
        """The time steps of the sequences of an update, on average over its buckets."""
        batch, key = self.config.batch, jax.random.key(0)

        def length(bucket: int) -> int:
            turn = Turn(jnp.int32(0), key, key)
            drawn = jax.eval_shape(lambda data: task.draw(turn, batch, data, bucket), data)
            return drawn.weights.shape[0]

        lengths = np.array([length(bucket) for bucket in range(task.buckets(data))])
        if len(lengths) == 1:
            return float(lengths[0])
        numbers = jnp.arange(1000, dtype=jnp.int32)
        drawn = jax.jit(jax.vmap(lambda number: task.bucket(number, batch, data)))(numbers)
        return float(lengths[np.asarray(drawn)].mean())

    def advance(
        self,
        progress: Progress,
        task: Task,
        data: Data,
        *,
        active: Bool[Array, " networks"],
        keys: PRNGKeyArray,
        start: int,
        stop: int,
    ) -> Progress:
        """Updates `start` up to `stop` − 1 on `task`, of the networks that are `active`.

        `prepare` must have been called for `task`. `progress` is used up: its buffers may be
        reused. The result is there when the call returns.
        """
        compiled = self._compiled[task]
        lanes = (progress, active, keys)
        rest = (data, jnp.int32(start), jnp.int32(stop))
        if self.together:
            return jax.block_until_ready(compiled(*lanes, *rest))

        def one(number: int) -> Progress:
            return jax.block_until_ready(compiled(*one_of(lanes, number), *rest))

        networks = range(progress.bad.shape[0])
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *self.pool.map(one, networks))

    def close(self) -> None:
        """End the threads."""
        self.pool.shutdown()
