"""Weights taken over from `torch.nn` and `equinox.nn`."""

import re
from collections.abc import Mapping
from typing import Any, overload

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from tapehead.cell import Cell, Chain
from tapehead.cells.gru import GRU
from tapehead.cells.layers import Linear
from tapehead.cells.lstm import LSTM
from tapehead.errors import UserError


def lstm_from_torch(state_dict: Mapping[str, Any], *, prefix: str = "") -> Chain:
    """The layers of a `torch.nn.LSTM` as a `Chain` of `LSTM`, with the same outputs.

    The two biases of each gate are added up. Dropout between the layers is not in a state dict
    and not taken over; put `Dropout` into the chain.

    **Arguments:**

    - `state_dict`: `torch_lstm.state_dict()`; tensors or NumPy arrays.
    - `prefix`: what comes before the names, e.g. `"encoder."` in the state dict of a larger model.

    **Raises:** `UserError` if a weight is missing or unknown (bidirectional and projected layers
    are not taken over) or has the wrong shape.
    """
    return Chain(*(_lstm(layer) for layer in _layers("lstm_from_torch", state_dict, prefix, 4)))


def gru_from_torch(state_dict: Mapping[str, Any], *, prefix: str = "") -> Chain:
    """The layers of a `torch.nn.GRU` as a `Chain` of `GRU`, with the same outputs.

    As `lstm_from_torch`; the cells have `reset_after=True`, which is PyTorch's form.
    """
    return Chain(*(_gru(layer) for layer in _layers("gru_from_torch", state_dict, prefix, 3)))


@overload
def from_equinox(module: eqx.nn.LSTMCell) -> LSTM: ...
@overload
def from_equinox(module: eqx.nn.GRUCell) -> GRU: ...
@overload
def from_equinox(module: eqx.nn.Linear) -> Linear: ...
def from_equinox(module: eqx.Module) -> Cell:
    """An `equinox.nn.LSTMCell`, `GRUCell` or `Linear` as the cell with the same outputs.

    **Raises:** `UserError` for any other module, and for a `Linear` of scalar features.
    """
    if isinstance(module, eqx.nn.LSTMCell):
        bias = jnp.zeros_like(module.weight_ih[:, 0]) if module.bias is None else module.bias
        return _with_weights(
            LSTM(module.input_size, module.hidden_size, key=jax.random.key(0)),
            input_weight=module.weight_ih,
            hidden_weight=module.weight_hh,
            bias=bias,
        )
    if isinstance(module, eqx.nn.GRUCell):
        zeros = jnp.zeros_like(module.weight_ih[:, 0])
        return _with_weights(
            GRU(module.input_size, module.hidden_size, key=jax.random.key(0)),
            input_weight=module.weight_ih,
            hidden_weight=module.weight_hh,
            bias=zeros if module.bias is None else module.bias,
            candidate_bias=(
                zeros[: module.hidden_size] if module.bias_n is None else module.bias_n
            ),
        )
    if isinstance(module, eqx.nn.Linear):
        inputs, outputs = module.in_features, module.out_features
        if inputs == "scalar" or outputs == "scalar":
            raise UserError(
                "from_equinox: expected a Linear with numbers of features, got "
                f"{inputs} in and {outputs} out"
            )
        linear = Linear(inputs, outputs, use_bias=module.use_bias, key=jax.random.key(0))
        if module.bias is None:
            return _with_weights(linear, weight=module.weight)
        return _with_weights(linear, weight=module.weight, bias=module.bias)
    raise UserError(
        f"from_equinox: expected an equinox.nn.LSTMCell, GRUCell or Linear, got "
        f"{type(module).__name__}"
    )


def _with_weights(cell: Any, **weights: Array | np.ndarray) -> Any:
    """`cell` with the named weights put in place of its own."""
    return eqx.tree_at(
        lambda c: [getattr(c, name) for name in weights],
        cell,
        [jnp.asarray(value) for value in weights.values()],
    )


def _lstm(layer: dict[str, np.ndarray]) -> LSTM:
    hidden, inputs = layer["weight_hh"].shape[1], layer["weight_ih"].shape[1]
    return _with_weights(
        LSTM(inputs, hidden, key=jax.random.key(0)),
        input_weight=layer["weight_ih"],
        hidden_weight=layer["weight_hh"],
        bias=layer["bias_ih"] + layer["bias_hh"],
    )


def _gru(layer: dict[str, np.ndarray]) -> GRU:
    hidden, inputs = layer["weight_hh"].shape[1], layer["weight_ih"].shape[1]
    gates, candidate = np.split(layer["bias_hh"], [2 * hidden])
    return _with_weights(
        GRU(inputs, hidden, key=jax.random.key(0)),
        input_weight=layer["weight_ih"],
        hidden_weight=layer["weight_hh"],
        bias=layer["bias_ih"] + np.concatenate([gates, np.zeros_like(candidate)]),
        candidate_bias=candidate,
    )


def _layers(
    owner: str, state_dict: Mapping[str, Any], prefix: str, gates: int
) -> list[dict[str, np.ndarray]]:
    """The weights of each layer, checked; missing biases (`bias=False`) are zero."""
    layers: dict[int, dict[str, np.ndarray]] = {}
    for name, value in state_dict.items():
        if not name.startswith(prefix):
            continue
        parts = re.fullmatch(r"(weight_ih|weight_hh|bias_ih|bias_hh)_l(\d+)", name[len(prefix) :])
        if parts is None:
            raise UserError(
                f"{owner}: cannot take over '{name}'; expected the weights of a one-directional "
                f"network without projection, such as {prefix}weight_ih_l0"
            )
        layers.setdefault(int(parts[2]), {})[parts[1]] = _array(owner, name, value)
    if not layers:
        raise UserError(
            f"{owner}: found no weight named {prefix}weight_ih_l0; give the module's state_dict() "
            "and, inside a larger model, its prefix"
        )
    size = None
    for position in range(max(layers) + 1):
        size = _check_layer(owner, prefix, position, layers.get(position, {}), gates, size)
    return [layers[position] for position in sorted(layers)]


def _array(owner: str, name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{owner}: cannot read '{name}' as an array ({error}); give the module's state_dict() "
            "on the CPU in float32 or float64"
        ) from None
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"{owner}: expected floating-point '{name}', got {array.dtype}")
    return array


def _check_layer(
    owner: str,
    prefix: str,
    position: int,
    layer: dict[str, np.ndarray],
    gates: int,
    inputs: int | None,
) -> int:
    """Fill in missing biases and refuse wrong shapes; returns the layer's hidden size."""
    for name in ("weight_ih", "weight_hh"):
        if name not in layer:
            raise UserError(f"{owner}: '{prefix}{name}_l{position}' is missing")
        if layer[name].ndim != 2:
            raise UserError(
                f"{owner}: '{prefix}{name}_l{position}' must be a matrix, got shape "
                f"{layer[name].shape}"
            )
    hidden = layer["weight_hh"].shape[-1]
    if inputs is None:
        inputs = layer["weight_ih"].shape[-1]
    for name in ("bias_ih", "bias_hh"):
        layer.setdefault(name, np.zeros(gates * hidden, layer["weight_hh"].dtype))
    expected = {
        "weight_ih": (gates * hidden, inputs),
        "weight_hh": (gates * hidden, hidden),
        "bias_ih": (gates * hidden,),
        "bias_hh": (gates * hidden,),
    }
    for name, shape in expected.items():
        if layer[name].shape != shape:
            raise UserError(
                f"{owner}: '{prefix}{name}_l{position}' must have shape {shape} ({gates} gates of "
                f"{hidden} units), got {layer[name].shape}"
            )
    return hidden
