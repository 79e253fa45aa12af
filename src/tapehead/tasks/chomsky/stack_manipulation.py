"""Stack manipulation: what is left on a stack after pushes and pops?"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from tapehead.tasks.chomsky.strings import Strings, StringTask, looked_up, random_symbols

END, POP = 2, 2
"""The answer's last class; the question's symbol for taking the top away."""


@dataclass(frozen=True)
class StackManipulation(StringTask):
    """Read a stack of bits and what is done to it; give what is left, from the top down.

    - Question: a stack of random bits 0 and 1, from the bottom up, then random actions: 2 pops, 3
      pushes a 0, 4 pushes a 1; popping an empty stack does nothing. The stack's height at the
      beginning is uniform from 1 to the length less 1; a question of one symbol is a stack of one.
    - Answer: the bits of the stack at the end, top first, and then class 2.

    A deterministic context-free language. Inputs, targets and protocol: `StringTask`.

    A worked example:

    >>> import jax
    >>> task = StackManipulation(7, 7)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> steps = batch.mask[:, 0].sum()
    >>> print(batch.inputs[:, 0].argmax(-1), "->", batch.targets[7:steps, 0])
    [0 0 0 1 2 2 3 5 5 5 5 0 0 0 0] -> [0 0 0 2]
    >>> task.answer([0, 1, 1, 0, 4, 2, 2])
    [1, 1, 0, 2]
    """

    symbols: ClassVar[int] = 5
    classes: ClassVar[int] = 3

    def questions(self, key: PRNGKeyArray, length: Int[Array, " batch"]) -> Strings:
        """A stack and actions; both are played."""
        height_key, bit_key, action_key = jax.random.split(key, 3)
        height = jax.random.randint(height_key, length.shape, 1, jnp.maximum(length, 2))
        bits = random_symbols(bit_key, self.max_length, length, 2)
        actions = POP + random_symbols(action_key, self.max_length, length, 3)
        row = jnp.arange(self.max_length)[:, None]
        question = jnp.where(row < height, bits, actions)

        def play(
            state: tuple[Array, Array], now: tuple[Array, Array]
        ) -> tuple[tuple[Array, Array], None]:
            stack, depth = state
            symbol, heeded = now
            pushes = heeded & (symbol != POP)
            bit = jnp.where(symbol > POP, symbol - 3, symbol)
            stack = jnp.where((row == depth) & pushes, bit, stack)
            down = heeded & (symbol == POP) & (depth > 0)
            move = pushes.astype(jnp.int32) - down.astype(jnp.int32)
            return (stack, depth + move), None

        start = (jnp.zeros_like(question), jnp.zeros_like(length))
        (stack, depth), _ = jax.lax.scan(play, start, (question, row < length))
        position = jnp.arange(self.max_length + 1)[:, None]
        answer = looked_up(stack, depth - 1 - position)
        return Strings(question, length, jnp.where(position == depth, END, answer), depth + 1)

    def answer(self, question: list[int]) -> list[int]:
        """Play it with a list."""
        stack: list[int] = []
        for symbol in question:
            if symbol == POP:
                del stack[-1:]
            else:
                stack.append(symbol % 3)
        return [*stack[::-1], END]
