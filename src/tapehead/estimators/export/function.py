"""`Function`: what is exported."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax

What = Literal["batch", "step"]


@dataclass
class Function:
    """A function of arrays, and what it takes.

    **Attributes:**

    - `call`: takes and gives arrays, one after another.
    - `inputs`, `outputs`: the names of what it takes and gives.
    - `shapes`: the shape of each input, in which words stand for axes of any size, and its dtype.
    - `constraints`: what holds of these sizes, such as `"time <= 128"`.
    """

    call: Callable[..., tuple[Any, ...]]
    inputs: list[str]
    outputs: list[str]
    shapes: Sequence[tuple[tuple[int | str, ...], Any]]
    constraints: tuple[str, ...] = ()

    def specs(self) -> list[jax.ShapeDtypeStruct]:
        """The inputs' shapes as JAX has them, all axes of any size in one scope."""
        words = sorted(
            {axis for shape, _ in self.shapes for axis in shape if isinstance(axis, str)}
        )
        sizes = jax.export.symbolic_shape(",".join(words), constraints=self.constraints)
        axes = dict(zip(words, sizes, strict=True))
        return [
            jax.ShapeDtypeStruct([axes.get(a, a) for a in shape], dtype)  # pyright: ignore
            for shape, dtype in self.shapes
        ]


Ways = list[Callable[[], Function]]
"""Several ways to the same numbers, of which the first that can be converted is taken."""


def stepped(
    call: Callable[..., tuple[Any, ...]],
    x: tuple[tuple[int | str, ...], Any],
    answers: list[str],
    state: Any,
) -> Function:
    """The function of one step of streams, `(x, start, *state) -> (*answers, *state)`.

    **Arguments:**

    - `call`: of `x`, `start` and the leaves of the state.
    - `x`: its shape and dtype.
    - `answers`: their names.
    - `state`: a tree of the shapes that it has for one stream, `jax.eval_shape` of its beginning.
    """
    leaves = jax.tree.leaves(state)
    names = [f"state_{number}" for number in range(len(leaves))]
    shapes = [x, (("batch",), bool)]
    shapes += [(("batch", *leaf.shape[1:]), leaf.dtype) for leaf in leaves]
    return Function(
        call, ["x", "start", *names], [*answers, *(f"new_{name}" for name in names)], shapes
    )
