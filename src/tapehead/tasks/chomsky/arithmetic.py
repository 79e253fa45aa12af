"""Expressions modulo 5, with brackets: drawn and reckoned by JAX, and parsed by plain Python."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

MODULUS = 5
PLUS, MINUS, TIMES, OPEN, CLOSE = range(MODULUS, MODULUS + 5)
"""Symbols; those below `MODULUS` are digits."""

CLOSING, JOINING = 0, -1
"""What is still to be written, where it is not an expression: a bracket, an operator."""


def expressions(
    key: PRNGKeyArray, longest: int, length: Int[Array, " batch"], operators: int
) -> Int[Array, "longest batch"]:
    """Random bracketed expressions of exactly these lengths; anything beyond them.

    An expression of 1, 2, 3 or 4 symbols is d, −d, (d) or (−d) with a random digit d. A longer one
    is (a∘b): its operator is one of the first `operators` of +, −, ×, the length of a is uniform
    over those that leave b at least one symbol.
    """
    digit_key, operator_key, split_key = jax.random.split(key, 3)
    shape = (longest, *length.shape)
    digits = jax.random.randint(digit_key, shape, 0, MODULUS)
    joints = PLUS + jax.random.randint(operator_key, shape, 0, operators)
    shares = jax.random.uniform(split_key, shape)
    nothing = jnp.zeros((longest, *length.shape), jnp.int32)

    def write(
        todo: Int[Array, "depth batch"], drawn: tuple[Array, Array, Array]
    ) -> tuple[Int[Array, "depth batch"], Int[Array, " batch"]]:
        """Take what is to be written next, write one symbol, put back what is left of it.

        What is to be written is the length of an expression, `CLOSING` or `JOINING`. Each writes
        exactly one symbol itself, so the place is never in question.
        """
        digit, joint, share = drawn
        now, rest = todo[0], todo[1:]
        left = 1 + jnp.floor(share * (now - 4).astype(share.dtype)).astype(jnp.int32)
        left = jnp.clip(left, 1, jnp.maximum(now - 4, 1))
        closing, joining = jnp.full_like(now, CLOSING), jnp.full_like(now, JOINING)

        def then(*items: Array) -> Array:
            return jnp.concatenate([jnp.stack(items), rest, nothing])[:longest]

        after = jnp.select(
            [now >= 5, now >= 3, now == 2],
            [
                then(left, joining, now - 3 - left, closing),
                then(now - 2, closing),
                then(now - 1),
            ],
            jnp.concatenate([rest, nothing])[:longest],
        )
        symbol = jnp.select(
            [now >= 3, now == 2, now == 1, now == JOINING],
            [OPEN, MINUS, digit, joint],
            CLOSE,
        )
        return after, symbol

    return jax.lax.scan(write, nothing.at[0].set(length), (digits, joints, shares))[1]


def reckoned(
    symbols: Int[Array, "longest batch"], length: Int[Array, " batch"]
) -> Int[Array, " batch"]:
    """The values modulo 5 of what `expressions` gives.

    Every open bracket has a frame: what it has come to so far, at first 0, and the operator that
    waits for the next operand, at first +. A − without a left operand is part of its digit.
    """
    longest = len(symbols)
    row = jnp.arange(longest + 1)[:, None]
    zeros = jnp.zeros((longest + 1, *length.shape), jnp.int32)
    before = jnp.concatenate([jnp.full_like(symbols[:1], OPEN), symbols[:-1]])
    sign = (symbols == MINUS) & (before >= MODULUS) & (before != CLOSE)
    signed = jnp.concatenate([jnp.zeros_like(sign[:1]), sign[:-1]])
    numbers = jnp.where(signed, -symbols, symbols)

    def read(
        frames: tuple[Array, Array, Array], now: tuple[Array, Array, Array]
    ) -> tuple[tuple[Array, Array, Array], None]:
        held, waiting, depth = frames
        symbol, number, heeded = now
        top = row == depth
        inner = jnp.sum(jnp.where(top, held, 0), axis=0)
        closes = symbol == CLOSE
        below = depth - closes.astype(jnp.int32)
        here = row == below
        outer = jnp.sum(jnp.where(here, held, 0), axis=0)
        operator = jnp.sum(jnp.where(here, waiting, 0), axis=0)
        operand = jnp.where(closes, inner, number)
        result = jnp.select(
            [operator == MINUS, operator == TIMES],
            [outer - operand, outer * operand],
            outer + operand,
        )
        takes = (symbol < MODULUS) | closes
        opens = symbol == OPEN
        above = row == depth + 1
        joins = ~takes & ~opens
        held = jnp.where(here & takes, result % MODULUS, jnp.where(above & opens, 0, held))
        waiting = jnp.where(top & joins, symbol, jnp.where(above & opens, PLUS, waiting))
        after = (held, waiting, below + opens.astype(jnp.int32))
        return jax.tree.map(lambda new, old: jnp.where(heeded, new, old), after, frames), None

    start = (zeros, zeros + PLUS, jnp.zeros_like(length))
    (held, _, _), _ = jax.lax.scan(
        read, start, (symbols, numbers, (row[:longest] < length) & ~sign)
    )
    return held[0]


def value(symbols: list[int]) -> int:
    """The value modulo 5 of an expression, by recursive descent: products before sums."""
    rest = symbols[::-1]

    def operand() -> int:
        symbol = rest.pop()
        if symbol == MINUS:
            return -operand()
        if symbol == OPEN:
            inner = total()
            rest.pop()
            return inner
        return symbol

    def term() -> int:
        product = operand()
        while rest and rest[-1] == TIMES:
            rest.pop()
            product *= operand()
        return product

    def total() -> int:
        summed = term()
        while rest and rest[-1] in (PLUS, MINUS):
            sign = 1 if rest.pop() == PLUS else -1
            summed += sign * term()
        return summed

    return total() % MODULUS
