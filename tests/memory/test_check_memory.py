"""`check_memory` passes a plain memory and catches every broken promise."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from tapehead.memory import Memory
from tapehead.testing import check_memory


class RegisterState(NamedTuple):
    memory: jax.Array
    steps: jax.Array


class RegisterInterface(NamedTuple):
    gate: jax.Array
    value: jax.Array


class Register(Memory):
    """One slot that is overwritten as far as its gate is open."""

    slots: int = eqx.field(static=True, default=1)
    width: int = eqx.field(static=True, default=3)
    read_heads: int = eqx.field(static=True, default=1)

    @property
    def interface_size(self):
        return 1 + self.width

    def initial_state(self, batch=(), *, key=None):
        return RegisterState(
            jnp.zeros((*batch, 1, self.width), jnp.float32), jnp.zeros(batch, jnp.int32)
        )

    def interface(self, flat):
        return RegisterInterface(jax.nn.sigmoid(flat[..., :1]), flat[..., 1:])

    def step(self, state, interface):
        gate = interface.gate[..., None]
        memory = gate * interface.value[..., None, :] + (1 - gate) * state.memory
        return RegisterState(memory, state.steps + 1), memory

    def observe(self, state, interface):
        return {"open": {"gate": interface.gate}}


def test_a_plain_memory_passes():
    check_memory(Register())


def broken(**methods):
    return type("Broken", (Register,), methods)()


def unguarded(self, state, interface):
    state, reads = Register.step(self, state, interface)
    return state, reads / jnp.linalg.norm(reads, axis=-1, keepdims=True)


def huge(self, state, interface):
    state, reads = Register.step(self, state, interface)
    return state, jnp.exp(jnp.abs(reads)) - 1


def mixing_lanes(self, state, interface):
    state, reads = Register.step(self, state, interface)
    return state, reads + jnp.mean(state.memory)


def growing(self, state, interface):
    state, reads = Register.step(self, state, interface)
    return state._replace(steps=state.steps.astype(jnp.float32)), reads


def single(self, state, interface):
    state, reads = Register.step(self, state, interface)
    return state._replace(memory=state.memory.astype(jnp.float32)), reads


def one_state_for_all(self, batch=(), *, key=None):
    return RegisterState(jnp.zeros((1, self.width), jnp.float32), jnp.zeros((), jnp.int32))


def one_gate_for_all(self, flat):
    gate, value = Register.interface(self, flat)
    return RegisterInterface(jnp.mean(gate)[None], value)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"step": unguarded}, "not finite for an interface of zeros"),
        ({"step": huge}, "not finite for an interface of"),
        ({"step": mixing_lanes}, "one sequence by itself|vmap"),
        ({"step": growing}, r"state\.steps: int32\(\) before a step, float32\(\) after it"),
        ({"step": single}, r"state\.memory: float64.* before a step, float32"),
        ({"step": lambda self, s, i: (s, s.memory[..., 0, :])}, "reads: shape"),
        ({"initial_state": one_state_for_all}, "batch axes"),
        ({"interface": one_gate_for_all}, r"interface\.gate.*batch axes"),
        ({"interface_size": 0}, "interface_size: 0"),
        ({"observe": lambda self, s, i: [i.gate]}, "observe: expected a dictionary, got list"),
        ({"observe": lambda self, s, i: {"gate": jnp.mean(i.gate)}}, r"\['gate'\]: shape \(\)"),
        ({"observe": lambda self, s, i: {"log": jnp.log(s.memory)}}, r"\['log'\]: not all finite"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_broken_promise_is_named(methods, message):
    with pytest.raises(AssertionError, match=message):
        check_memory(broken(**methods))
