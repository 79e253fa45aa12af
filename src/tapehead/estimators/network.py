"""Networks by name or by value, in three sizes."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

import equinox as eqx
import jax
from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell, Chain
from tapehead.cells import Linear
from tapehead.errors import UserError, among
from tapehead.models import MODELS, Model
from tapehead.models.layered import Pool
from tapehead.training.presets import MODEL_PRESETS

Size = Literal["small", "medium", "large"]

SIZES: dict[str, dict[str, Any]] = {
    "small": {"hidden": 32, "controller_size": 32, "slots": 16},
    "medium": {"hidden": 64, "controller_size": 64, "slots": 32},
    "large": {"hidden": 128, "layers": 2, "controller_size": 128, "slots": 64},
}
"""What a size means, for those of the settings that a recipe has."""


@dataclass(frozen=True)
class GivenCell(Model):
    """A cell that somebody built, with a linear readout of its outputs.

    Its parameters are where training begins; only the readout is drawn anew.
    """

    cell: Cell = dataclasses.field(kw_only=True)

    def network(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """The cell and the readout, as one chain."""
        features = self.cell.output_size or input_size
        return Chain(self.cell, Linear(features, output_size, key=key))

    def build(
        self, input_size: int, output_size: int, *, tokens: bool = False, key: PRNGKeyArray
    ) -> Cell:
        """As other recipes do, but the cell must take what there is to be read."""
        wanted = self.embedding if tokens else input_size
        if self.cell.input_size not in (None, wanted):
            raise UserError(
                f"model: the cell takes {self.cell.input_size} features, but there are {wanted} "
                f"to be read; build it with input_size {wanted}"
            )
        return super().build(input_size, output_size, tokens=tokens, key=key)


def recipe(model: str | Model | Cell, size: str, *, pool: Pool, dropout: float) -> Model:
    """The recipe that `model` names or is.

    **Arguments:**

    - `model`: a registered name, whose settings follow `size`; a `Model`, taken as it is; or a
        `Cell`, which gets a readout.
    - `size`: small, medium or large.
    - `pool`: what the readout of a named model sees of its last layer.
    - `dropout`: of a named model's layers.
    """
    among("model", get_args(Size), size=size)
    if isinstance(model, Model):
        return model
    if isinstance(model, Cell):
        return GivenCell(cell=model)
    if not isinstance(model, str):
        raise UserError(
            f"model: expected a name such as 'lstm', a Model or a Cell, got {type(model).__name__}"
        )
    kind = MODELS[model]
    known = {field.name for field in dataclasses.fields(kind)}
    preset = MODEL_PRESETS.get(model, {})
    suited = {k.removeprefix("model."): v for k, v in preset.items() if k.startswith("model.")}
    asked = {**SIZES[size], "pool": pool, "dropout": dropout, **suited}
    return kind(**{name: value for name, value in asked.items() if name in known})


def skeleton(model: Model, input_size: int, output_size: int, *, tokens: bool) -> Cell:
    """The network's shapes: `jax.ShapeDtypeStruct` in place of each array."""
    return eqx.filter_eval_shape(
        lambda key: model.build(input_size, output_size, tokens=tokens, key=key),
        jax.random.key(0),
    )
