"""Batches and measures of tasks; compiling is most of the cost where every one has other sizes."""

import functools

import jax
import numpy as np

QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@functools.partial(jax.jit, static_argnums=(0, 1), compiler_options=QUICK)
def sample(task, batch, key, data=()):
    return task.sample(key, batch, data)


def draw(task, batch, seed=0, data=()):
    return jax.tree.map(np.asarray, sample(task, batch, jax.random.key(seed), data))


@functools.partial(jax.jit, static_argnums=0, compiler_options=QUICK)
def sequences_at(task, indices, data):
    return task.batch_at(indices, data)


def batch_at(task, indices, data):
    return jax.tree.map(np.asarray, sequences_at(task, np.asarray(indices), data))


@functools.partial(jax.jit, static_argnums=0, compiler_options=QUICK)
def measure(task, outputs, batch):
    return task.metrics(outputs, batch)
