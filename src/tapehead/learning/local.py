"""The local part of a step: derivatives along its entry-by-entry paths alone."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, jaxpr_as_fun
from jaxtyping import Array

from tapehead.learning.dependence import called

SUMS = ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "cumsum", "cumprod", "cummax")
LOOPS = ("scan", "while", "cond", "custom_vjp_call")
MIXING = ("dot_general", "conv_general_dilated", "sort", "top_k", *SUMS, *LOOPS)
"""Primitives whose outputs mix entries of what they are given, or may."""


def mixes(jaxpr: Jaxpr) -> bool:
    """Whether anything in it mixes entries."""
    for equation in jaxpr.eqns:
        inner = called(equation)
        if equation.primitive.name in MIXING or (inner is not None and mixes(inner)):
            return True
    return False


def evaluate(jaxpr: Jaxpr, equation: JaxprEqn, given: Sequence[Any]) -> list[Any]:
    """The outputs of one equation of `jaxpr`."""
    taken = [(v, x) for v, x in zip(equation.invars, given, strict=True) if isinstance(v, Var)]
    alone = Jaxpr(
        (), [v for v, _ in taken], equation.outvars, [equation], debug_info=jaxpr.debug_info
    )
    return jaxpr_as_fun(ClosedJaxpr(alone, ()))(*(x for _, x in taken))


def localised(function: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """F(θ, s) with the same value, and only the derivatives that matter to a unit by itself.

    What depends on the state or the input counts as constant wherever a matrix product, a sum over
    units or a loop takes it; parameters do not. So ∂F/∂s is what a state keeps of itself (a leak, a
    forget gate), without the recurrent weights, and ∂F/∂θ is what a parameter does to the units
    whose nets it is part of, and not what those do to others.
    """

    def cut(parameters: Array, state: Array) -> Array:
        made = jax.make_jaxpr(function)(parameters, state)
        known = dict(zip(made.jaxpr.constvars, made.consts, strict=True))
        (value,), _ = walk(made.jaxpr, known, [parameters, state], [True, False])
        return value

    return cut


def walk(
    jaxpr: Jaxpr, known: dict[Any, Any], given: Sequence[Any], fixed: Sequence[bool]
) -> tuple[list[Any], list[bool]]:
    """Evaluate; `fixed` says which inputs come from parameters alone; returned for outputs too."""
    values = known | dict(zip(jaxpr.invars, given, strict=True))
    alone = dict.fromkeys(known, False) | dict(zip(jaxpr.invars, fixed, strict=True))

    def value(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else values[variable]

    def is_alone(variable: Any) -> bool:
        return isinstance(variable, Literal) or alone[variable]

    for equation in jaxpr.eqns:
        taken = [value(variable) for variable in equation.invars]
        flags = [is_alone(variable) for variable in equation.invars]
        inner = called(equation)
        name = equation.primitive.name
        if inner is not None and name not in MIXING and mixes(inner):
            consts = getattr(equation.params.get("jaxpr", None), "consts", ())
            found, kept = walk(inner, dict(zip(inner.constvars, consts, strict=True)), taken, flags)
        else:
            if name in MIXING:
                taken = [
                    x if flag else jax.lax.stop_gradient(x)
                    for x, flag in zip(taken, flags, strict=True)
                ]
            found = evaluate(jaxpr, equation, taken)
            kept = [all(flags)] * len(found)
        values.update(zip(equation.outvars, found, strict=True))
        alone.update(zip(equation.outvars, kept, strict=True))
    outputs = jaxpr.outvars
    return [value(v) for v in outputs], [is_alone(v) for v in outputs]
