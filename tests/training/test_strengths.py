"""L1 and L2 for parts of a model."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_runs import small_config

from tapehead.errors import UserError
from tapehead.models import MODELS
from tapehead.tasks.task import Turn
from tapehead.training import from_json, to_json
from tapehead.training.storage import named_leaves
from tapehead.training.strengths import belongs, strengths
from tapehead.training.update import as_vector, gradient

MODEL = MODELS["elman"](hidden=3, layers=2, bidirectional=True).build(2, 1, key=jax.random.key(0))


def strengths_by_name(parts, overall=0.0):
    vector = strengths("l2_parts", MODEL, overall, parts)
    return {n: np.unique(x) for n, x in named_leaves(as_vector(MODEL)[1](vector)).items()}


def test_a_part_is_what_its_name_names():
    found = strengths_by_name({"cells.0": 1.0, "hidden_weight": 0.5, "*.backward": 0.25}, 0.125)
    for name, strength in found.items():
        expected = 0.125 + name.startswith("cells.0.") + 0.5 * name.endswith(".hidden_weight")
        np.testing.assert_array_equal(strength, expected + 0.25 * (".backward." in name))


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("cells.1", True),
        ("cells.1.cells.0", True),
        ("cells.1.cells.0.bias", True),
        ("bias", True),
        ("cells.*.bias", True),
        ("*", True),
        ("cells.0", False),
        ("cells", True),
        ("ias", False),
        ("cell", False),
        ("cells.1.cells.0.bia", False),
    ],
)
def test_names_of_parts(part, named):
    assert belongs("cells.1.cells.0.bias", part) == named


def test_without_parts_it_is_one_number():
    assert strengths("l1_parts", MODEL, 0.5, None) == 0.5
    assert strengths("l1_parts", MODEL, 0.5, {}) == 0.5


def test_an_unknown_part_is_told_those_there_are():
    message = (
        r"l2_parts: the model has no part 'cells.0.foward'; did you mean 'cells.0.forward'\? \(it "
        r"has cells.0, cells.0.forward, cells.0.backward, cells.1, .*, cells.2, input_weight, hid"
    )
    with pytest.raises(UserError, match=message):
        strengths("l2_parts", MODEL, 0.0, {"cells.0.foward": 1.0})


def test_the_gradient_pulls_the_parts_to_zero():
    parts = {"l1_parts": {"cells.1": 0.3}, "l2_parts": {"hidden_weight": 0.2}, "l2": 0.1}
    model = small_config().model.build(2, 1, key=jax.random.key(0))

    @eqx.filter_jit
    def both(model, key):
        configs = small_config(), small_config(**parts)
        return [
            gradient(c, c.task, model, Turn(jnp.int32(0), key, key), ()).vector for c in configs
        ]

    plain, pulled = (
        named_leaves(as_vector(model)[1](vector)) for vector in both(model, jax.random.key(1))
    )
    for name, weight in named_leaves(eqx.filter(model, eqx.is_array)).items():
        l1 = 0.3 if name.startswith("cells.1") else 0.0
        l2 = 0.3 if name.endswith("hidden_weight") else 0.1
        expected = plain[name] + l1 * np.sign(weight) + l2 * weight
        np.testing.assert_allclose(pulled[name], expected, atol=1e-6)


def test_parts_survive_json():
    config = small_config(l1_parts={"cells.0": 1e-3})
    assert from_json(to_json(config)) == config


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bias": -1.0}, "training: l2_parts of bias must be at least 0, got -1.0"),
        ({"bias": float("nan")}, "l2_parts must be an object of str and float or None"),
        (["bias"], "l2_parts must be an object of str and float or None, got \\['bias'\\]"),
    ],
)
def test_refuses(given, message):
    with pytest.raises(UserError, match=message):
        from_json(to_json(small_config()) | {"l2_parts": given})
