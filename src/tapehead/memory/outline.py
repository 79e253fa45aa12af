"""Functions that the compiler must keep apart, so that what they return is computed once."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
from jax.experimental.xla_metadata import set_xla_metadata

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def outlined(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The same function, compiled on its own wherever it is called on a CPU.

    XLA's CPU compiler fuses whatever makes a small array into the loops that use it. Where a
    vector over the slots is spread over a matrix of slots by slots, that computes every entry of
    the vector once for every slot, and keeps the loop from being vectorised: some of a DNC's
    products take thirty times as long as they need. It does not look into a call that may not be
    inlined, so that what goes in and what comes out has to exist as arrays. Other compilers know
    better, and are left alone.
    """
    if jax.default_backend() != "cpu":
        return function

    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        result: Any = set_xla_metadata(jax.jit(function)(*args, **kwargs), inlineable="false")
        return result

    return call


def pullback(function: Callable[..., Any], *inputs: Any) -> Callable[[Any], tuple[Any, ...]]:
    """The gradient of `function` at `inputs`, outlined: from that of its result to theirs.

    Whatever of the function's values it needs is computed anew.
    """

    def apply(inputs: tuple[Any, ...], gradient: Any) -> tuple[Any, ...]:
        return jax.vjp(function, *inputs)[1](gradient)

    return lambda gradient: outlined(apply)(inputs, gradient)
