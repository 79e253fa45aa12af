"""Residual networks that halt: their equations, forward and gradient, and what they count."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference.sact import convolution, resnet

from tapehead.errors import UserError
from tapehead.inspection import trace
from tapehead.models import MODELS
from tapehead.networks import ResNet
from tapehead.networks.convolution import Convolution
from tapehead.networks.spatial_halting import AdaptiveBlock, HaltingScore
from tapehead.testing import check_cell

KEY = jax.random.key(0)
SIDE, OUTPUTS = 4, 2
SMALL = {"channels": 2, "blocks": 1, "units": 3, "stride": 1, "cost": 0.1}


def restless(network, key=KEY):
    """The network with scores that have much to say, each about half a time."""

    def louder(part):
        if not isinstance(part, HaltingScore):
            return part
        where = lambda s: s.whole.bias  # noqa: E731
        part = eqx.tree_at(where, part, jnp.full(1, -0.3, part.whole.bias.dtype))
        if part.around is None:
            return part
        return eqx.tree_at(lambda s: s.around.weight, part, 2 * part.around.weight)

    return jax.tree.map(louder, network, is_leaf=lambda part: isinstance(part, HaltingScore))


def small(halting="sact", key=KEY, **settings):
    return restless(ResNet(SIDE**2, OUTPUTS, halting=halting, **SMALL | settings, key=key))


def parameters(network):
    """As the reference takes them."""

    def of_unit(unit):
        halves = [
            (norm.scale, norm.shift, convolution.weight)
            for norm, convolution in zip(unit.norms, unit.convolutions, strict=True)
        ]
        return (*halves, None if unit.shortcut is None else unit.shortcut.weight)

    def of_score(score):
        around = None if score.around is None else score.around.weight
        return around, score.whole.weight[0], score.whole.bias[0]

    blocks = [
        ([of_unit(u) for u in block.units], [of_score(s) for s in block.scores])
        for block in network.blocks
    ]
    norm, readout = network.norm, network.readout
    return network.stem.weight, blocks, (norm.scale, norm.shift), (readout.weight, readout.bias)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("halting", "blocks"),
    [("sact", 1), *(pytest.param(h, 2, marks=pytest.mark.slow) for h in ("sact", "act"))],
)  # pytest -m slow tests/networks/test_resnet.py
def test_equations(halting, blocks):
    """Value and gradient, N being a constant: by each array, along some direction."""
    network = small(halting, blocks=blocks)
    arrays, static = eqx.partition(network, eqx.is_inexact_array)
    arrays = jax.tree.map(lambda x: x.astype(jnp.float64), arrays)
    image = np.random.default_rng(1).normal(size=(SIDE, SIDE))

    @eqx.filter_jit
    @eqx.filter_value_and_grad(has_aux=True)
    def loss(given):
        network, image = given
        state, y = network.step(network.initial_state(), image.ravel())
        return jnp.sum(jnp.sin(3 * y)) + network.penalty(state), (state, y)

    (value, (state, y)), found = loss((eqx.combine(arrays, static), jnp.asarray(image)))
    leaves, shape = jax.tree.flatten((jax.tree.map(np.asarray, arrays), image))

    def reference(leaves, counts=None):
        arrays, image = jax.tree.unflatten(shape, leaves)
        network = parameters(eqx.combine(arrays, static))
        return resnet(*network, image, stem_stride=1, counts=counts)

    output, cost, counts = reference(leaves)
    np.testing.assert_allclose(y, output, rtol=1e-9)
    np.testing.assert_allclose(state.pondered, cost, rtol=1e-9)
    shares = np.mean([np.bincount(n.ravel(), minlength=4) / n.size for n in counts], axis=0)
    np.testing.assert_allclose(state.taken, shares, atol=1e-12)
    if halting == "sact":
        assert np.count_nonzero(shares) > 1

    def wanted(leaves):
        output, cost, _ = reference(leaves, counts)
        return np.sum(np.sin(3 * output)) + 0.1 * cost

    np.testing.assert_allclose(value, wanted(leaves), rtol=1e-9)
    rng, step = np.random.default_rng(2), 1e-6
    for place, slope in enumerate(jax.tree.leaves(found)):
        way = rng.normal(size=slope.shape)
        ahead, back = (
            wanted(
                [leaf + sign * step * way if n == place else leaf for n, leaf in enumerate(leaves)]
            )
            for sign in (1, -1)
        )
        expected = (ahead - back) / (2 * step)
        np.testing.assert_allclose(np.sum(slope * way), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.slow  # pytest -m slow tests/networks/test_resnet.py
@pytest.mark.parametrize("halting", ["sact", "act"])
def test_promises(halting):
    check_cell(lambda key: small(halting, key=key, units=2), SIDE**2)


@pytest.mark.parametrize(("side", "window", "stride"), [(5, 3, 2), (4, 3, 2), (7, 5, 3), (1, 5, 2)])
def test_windows_lie_as_in_the_reference(side, window, stride):
    layer = Convolution(2, 3, window, stride=stride, key=KEY)
    x = np.random.default_rng(0).normal(size=(2, side, side, 2)).astype(np.float32)
    expected = [convolution(np.asarray(layer.weight), image, stride) for image in x]
    np.testing.assert_allclose(layer(jnp.asarray(x)), expected, atol=1e-5)


def test_one_position_halts_without_the_others():
    """Where it has halted the value is kept, and the others still read it."""
    block = AdaptiveBlock(2, 2, 3, stride=1, halting="sact", epsilon=0.01, key=KEY)
    # It halts after the first unit where the first channel is large.
    at_once = jnp.zeros((1, 2, 3, 3)).at[0, 0, 1, 1].set(1e3)
    quiet = eqx.tree_at(
        lambda s: (s.whole.weight, s.around.weight), block.scores[0], (jnp.zeros((1, 2)), at_once)
    )
    block = eqx.tree_at(lambda b: b.scores, block, (quiet, block.scores[1]))
    x = jax.random.normal(KEY, (1, 4, 4, 2))
    made = eqx.filter_jit(block)(x)
    first = eqx.filter_jit(block.units[0])(x)
    halted = np.asarray(first[0, :, :, 0] > 0.01)
    assert 0 < halted.sum() < 16
    np.testing.assert_array_equal(made.units[0][halted], 1)
    assert (np.asarray(made.units[0])[~halted] > 1).all()
    np.testing.assert_allclose(made.output[0][halted], first[0][halted], rtol=1e-5)
    assert not np.allclose(made.output[0][~halted], first[0][~halted])


def test_the_control_computes_everything_and_costs_nothing():
    network = small("none", blocks=2, units=2)
    xs = jax.random.normal(KEY, (1, 3, SIDE**2))
    unroll = eqx.filter_jit(lambda xs: network.unroll(network.initial_state((3,)), xs))
    state, ys = unroll(xs)
    np.testing.assert_array_equal(network.penalty(state), np.zeros(3))
    found = network.metrics(state)
    np.testing.assert_allclose(found["units"], np.tile([0, 0, 1], (3, 1)))
    # 5×5 at 16 positions; then a block of 16 positions and one of 4, which halves and doubles.
    stem, first, second = 16 * 25 * 2, 16 * 2 * 2 * 36, 4 * (72 + 144 + 8 + 2 * 144)
    expected = (stem + first + second + 8) / 1e6
    np.testing.assert_allclose(found["computation"], np.full(3, expected), rtol=1e-6)
    assert not jax.tree.leaves([block.scores for block in network.blocks])
    assert ys.shape == (1, 3, OUTPUTS)


def test_what_is_left_out_is_not_counted():
    """A single position needs the first convolution around it, and the second one there alone."""
    unit = small().blocks[0].units[1]
    active = jnp.zeros((2, 5, 5, 1), bool).at[0, 0, 0].set(True).at[1, 2, 2].set(True)
    np.testing.assert_allclose(unit.products(active), [5 * 36e-6, 10 * 36e-6], rtol=1e-6)


def test_a_trace_shows_the_maps_and_an_image_halts_at_once():
    network = small("act")
    seen = trace(network, jax.random.normal(KEY, (3, SIDE**2)))
    maps = np.asarray(seen.find("units.0"))
    assert maps.shape == (3, SIDE, SIDE)
    counts = maps[:, :1, :1]
    np.testing.assert_array_equal(maps, np.broadcast_to(counts, maps.shape))
    shares = np.eye(4)[counts.ravel().astype(int)]
    np.testing.assert_array_equal(seen.find("taken"), np.cumsum(shares, axis=0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"units": 0}, "ResNetModel: units must be at least 1, got 0"),
        ({"channels": 0}, "ResNetModel: channels must be at least 1, got 0"),
        ({"stride": 0}, "ResNetModel: stride must be at least 1, got 0"),
        (
            {"halting": "sakt"},
            "ResNetModel: halting must be one of none, act, sact, got 'sakt'; did you mean 'sact'?",
        ),
        (
            {"halting": "act", "ponder_cost": -1.0},
            "ResNetModel: ponder_cost must be at least 0, got -1.0",
        ),
        (
            {"halting": "act", "ponder_epsilon": 1.0},
            "ResNetModel: ponder_epsilon must be above 0 and below 1, got 1.0",
        ),
        ({"ponder_cost": 0.1}, "ResNetModel: ponder_cost needs halting, such as sact"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(UserError) as raised:
        MODELS["resnet"](**settings)
    assert str(raised.value) == message


def test_only_square_images_are_taken():
    with pytest.raises(UserError, match=r"ResNet: needs square images .* got 63 features; take a"):
        MODELS["resnet"]().build(63, 10, key=KEY)
    for setting, value in (("epsilon", 0.0), ("cost", -1.0), ("halting", "sometimes")):
        with pytest.raises(UserError, match=f"ResNet: {setting} must be"):
            ResNet(9, 2, **{setting: value}, key=KEY)
