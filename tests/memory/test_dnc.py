"""The Differentiable Neural Computer against a slow reference, its properties, its refusals."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import dnc as reference

from tapehead.errors import UserError
from tapehead.memory.dnc import DNC, DNCMemory, DNCState
from tapehead.testing import check_cell, check_memory

SLOTS, WIDTH, READ_HEADS = 5, 3, 2
SIZES = {"slots": SLOTS, "width": WIDTH, "read_heads": READ_HEADS}
EVERYTHING = {
    "write_heads": 2,
    "key_masking": True,
    "erase_on_deallocation": True,
    "sharpen_links": True,
    "links": "sparse",
    "link_entries": 4,
}
VARIANTS = {
    "the paper's": {},
    "two write heads": {"write_heads": 2},
    "masks": {"key_masking": True},
    "erase": {"erase_on_deallocation": True},
    "sharpen": {"sharpen_links": True},
    "sparse": {"links": "sparse", "link_entries": 4},
    "no links": {"links": "none", "write_heads": 2},
    "everything": EVERYTHING,
}


def options_of(memory):
    return reference.Options(*(getattr(memory, name) for name in reference.Options._fields))


def some_state(memory, rng, batch=()):
    """A state that a sequence may lead to, with no two slots alike."""

    def weights(heads):
        logits = 2 * rng.normal(size=(*batch, heads, SLOTS))
        w = np.exp(logits)
        return 0.9 * w / np.sum(w, axis=-1, keepdims=True)

    precedence = weights(memory.write_heads)
    chain = 0.8 * np.roll(np.eye(SLOTS), 1, axis=0)
    spread = rng.uniform(0, 0.2 / SLOTS, size=(*batch, memory.write_heads, SLOTS, SLOTS))
    # What was written last has nothing after it: p_j and the links from j sum to at most 1.
    link = (chain + spread) * (1 - np.eye(SLOTS)) * (1 - precedence[..., None, :])
    linked = memory.links != "none"
    return DNCState(
        memory=rng.normal(size=(*batch, SLOTS, WIDTH)),
        usage=rng.uniform(size=(*batch, SLOTS)),
        link=link if linked else (),
        precedence=precedence if linked else (),
        read_weights=weights(READ_HEADS),
        write_weights=weights(memory.write_heads),
    )


def some_flats(memory, rng, *lead):
    return rng.normal(scale=1.5, size=(*lead, memory.interface_size))


def doubled(tree):
    return jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), tree)


def steps(memory, state, flats):
    """The state and the reads after every step."""

    def step(state, flat):
        state, reads = memory.step(state, memory.interface(flat))
        return state, (state, reads)

    return jax.lax.scan(step, state, flats)[1]


def assert_same(state, reads, expected):
    expected_state, expected_reads = expected
    np.testing.assert_allclose(reads, expected_reads, rtol=1e-9, atol=1e-12, err_msg="reads")
    for name, leaf, want in zip(DNCState._fields, state, expected_state, strict=True):
        np.testing.assert_allclose(leaf, want, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("variant", "batch"), [*((name, (2,)) for name in VARIANTS), ("everything", ())]
)
def test_steps_are_the_reference(variant, batch):
    memory = DNCMemory(**(SIZES | VARIANTS[variant]))
    rng = np.random.default_rng(1)
    start, flats = some_state(memory, rng, batch), some_flats(memory, rng, 4, *batch)
    states, reads = jax.jit(functools.partial(steps, memory))(doubled(start), flats)
    if memory.links != "none":
        assert np.all(np.any(states.link != 0, axis=(-1, -2)))
    for lane in np.ndindex(batch):
        expected = jax.tree.map(lambda a, lane=lane: a[lane], start)
        for t, flat in enumerate(flats):
            after = expected, _ = reference.step(expected, flat[lane], options_of(memory))
            assert_same(
                jax.tree.map(lambda a, lane=lane, t=t: a[t][lane], states), reads[t][lane], after
            )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("variant", ["the paper's", "everything"])
def test_the_first_step_is_the_reference(variant):
    # One step only: after it, slots 3 and on are used alike but for the last bits.
    memory = DNCMemory(**(SIZES | VARIANTS[variant]))
    start = memory.initial_state()
    flat = some_flats(memory, np.random.default_rng(2))
    state, reads = jax.jit(memory.step)(doubled(start), memory.interface(jnp.asarray(flat)))
    start = jax.tree.map(lambda a: np.asarray(a, np.float64), start)
    assert_same(state, reads, reference.step(start, flat, options_of(memory)))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("variant", ["the paper's", "everything"])
def test_gradients_are_those_of_the_reference(variant):
    memory = DNCMemory(**(SIZES | VARIANTS[variant]))
    rng = np.random.default_rng(3)
    start, flats = some_state(memory, rng), some_flats(memory, rng, 3)
    weighed = jax.tree.map(lambda a: rng.normal(size=a.shape), start)
    scores = rng.normal(size=(3, READ_HEADS, WIDTH))

    @jax.jit
    @functools.partial(jax.grad, argnums=(0, 1))
    def gradient(start, flats):
        states, reads = steps(memory, start, flats)
        last = jax.tree.map(lambda a, w: jnp.sum(w * a[-1]), states, weighed)
        return jnp.sum(scores * reads) + sum(jax.tree.leaves(last))

    def value(start, flats):
        state, total = start, 0.0
        for flat, score in zip(flats, scores, strict=True):
            state, reads = reference.step(state, flat, options_of(memory))
            total += np.sum(score * reads)
        return total + sum(
            np.sum(w * a)
            for w, a in zip(jax.tree.leaves(weighed), jax.tree.leaves(state), strict=True)
        )

    leaves, tree = jax.tree.flatten((start, flats))
    names = [
        jax.tree_util.keystr(path)
        for path, _ in jax.tree_util.tree_leaves_with_path((start, flats))
    ]
    slopes = jax.tree.leaves(gradient(doubled(start), flats))
    for position, name in enumerate(names):
        for _ in range(2):
            direction = rng.normal(size=leaves[position].shape)

            def along(step, position=position, direction=direction):
                moved = list(leaves)
                moved[position] = moved[position] + step * direction
                return value(*jax.tree.unflatten(tree, moved))

            expected = (along(1e-6) - along(-1e-6)) / 2e-6
            slope = np.sum(np.asarray(slopes[position]) * direction)
            np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-7, err_msg=name)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "variant", [pytest.param("the paper's", marks=pytest.mark.slow), "everything"]
)
def test_a_network_is_the_reference_with_its_gradients(variant):
    options = SIZES | VARIANTS[variant]
    model = doubled(DNC(2, 3, **options, controller_size=4, key=jax.random.key(0)))
    rng = np.random.default_rng(4)
    xs, tangent = rng.normal(size=(4, 2)), rng.normal(size=(4, 3))
    start = some_state(model.memory, rng)
    where = {
        "controller_input": lambda m: m.controller.input_weight,
        "controller_recurrent": lambda m: m.controller.hidden_weight,
        "bias": lambda m: m.controller.bias,
        "interface": lambda m: m.interface.weight,
        "interface_bias": lambda m: m.interface.bias,
        "readout": lambda m: m.readout.weight,
        "readout_bias": lambda m: m.readout.bias,
    }
    model = eqx.tree_at(where["interface"], model, replace_fn=lambda w: 3 * w)
    parameters = {name: np.asarray(get(model)) for name, get in where.items()}

    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def gradient(model):
        state = model.initial_state()._replace(memory=doubled(start))
        ys = model.unroll(state, xs)[1]
        return jnp.sum(tangent * ys), ys

    def outputs(parameters):
        return reference.network(parameters, xs, start, options_of(model.memory))

    slopes, ys = gradient(model)
    np.testing.assert_allclose(ys, outputs(parameters), rtol=1e-9, atol=1e-12)
    for name, get in where.items():
        direction = rng.normal(size=parameters[name].shape)

        def value(step, name=name, direction=direction):
            moved = parameters | {name: parameters[name] + step * direction}
            return np.sum(tangent * outputs(moved))

        expected = (value(1e-6) - value(-1e-6)) / 2e-6
        slope = np.sum(np.asarray(get(slopes)) * direction)
        np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-7, err_msg=name)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "variant",
    ["the paper's", pytest.param("everything", marks=SLOW), pytest.param("no links", marks=SLOW)],
)
def test_memory_conformance(variant):
    check_memory(DNCMemory(**(SIZES | VARIANTS[variant])))


def test_one_slot_of_one_number():
    memory = DNCMemory(1, 1, links="sparse", link_entries=1)
    flats = jnp.ones((3, memory.interface_size))
    states, _ = jax.jit(functools.partial(steps, memory))(memory.initial_state(), flats)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(states))
    assert not np.any(states.link)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"controller": "lstm"}, id="the paper's"),
        pytest.param(
            {"controller": "feedforward", "interface_norm": True, "bypass_dropout": 0.5}
            | EVERYTHING,
            id="everything else",
        ),
    ],
)
def test_network_conformance(options):
    check_cell(
        lambda key: DNC(2, 3, **(SIZES | {"controller_size": 4} | options), key=key), input_size=2
    )


EDGES = ("nothing", "all used", "all free", "ties", "one-hot")


def edge_state(memory, edge, rng):
    """States at the edges of what can be, in float32."""
    zero = jax.tree.map(np.asarray, memory.initial_state())
    if edge == "nothing":
        return zero
    one_hot = np.eye(SLOTS, dtype=np.float32)
    if edge == "one-hot":
        order = np.roll(one_hot, 1, axis=0)
        order[0] = 0  # Slot 0 was written first, the others after it.
        return zero._replace(
            memory=rng.normal(size=zero.memory.shape).astype(np.float32),
            usage=one_hot[0],
            link=np.tile(order, (memory.write_heads, 1, 1)),
            precedence=np.tile(one_hot[-1], (memory.write_heads, 1)),
            read_weights=one_hot[:READ_HEADS],
            write_weights=one_hot[: memory.write_heads],
        )
    usage = {"all used": 1.0, "all free": 0.0, "ties": rng.choice([0, 0.5, 1], SLOTS)}[edge]
    state = jax.tree.map(lambda a: np.asarray(a, np.float32), some_state(memory, rng))
    return state._replace(usage=np.full(SLOTS, usage, np.float32))


@functools.cache
def jitted_steps(variant):
    memory = DNCMemory(**(SIZES | VARIANTS[variant]))

    def value(start, flats):
        def step(state, flat):
            interface = memory.interface(flat)
            seen = memory.observe(state, interface)
            state, reads = memory.step(state, interface)
            return state, (state, reads, interface, seen)

        history = jax.lax.scan(step, start, flats)[1]
        states, reads = history[:2]
        ends = jax.tree.map(lambda a: jnp.sum(a[-1]), states)
        return jnp.sum(reads) + sum(jax.tree.leaves(ends)), history

    return memory, jax.jit(jax.grad(value, (0, 1), has_aux=True))


@pytest.mark.parametrize(
    "variant", [pytest.param("two write heads", marks=pytest.mark.slow), "everything"]
)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([0.0, 1.0, 1e4]) | st.floats(0, 1e4),
    edge=st.sampled_from(EDGES),
)
def test_what_always_holds(variant, seed, scale, edge):
    memory, compiled = jitted_steps(variant)
    rng = np.random.default_rng(seed)
    # Each number of the interface is of the scale, of the size of 1, or exactly 0.
    sizes = rng.choice([scale, 1, 0], size=(5, memory.interface_size))
    flats = (sizes * rng.uniform(-1, 1, size=sizes.shape)).astype(np.float32)
    gradients, history = compiled(edge_state(memory, edge, rng), flats)
    for kind, tree in (("gradient", gradients), ("value", history)):
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            assert np.isfinite(leaf).all(), f"{kind}{jax.tree_util.keystr(path)}"
    states, _, interface, seen = jax.tree.map(np.asarray, history)
    most = 1 + 1e-5
    assert np.min(states.usage) >= -1e-6
    assert np.max(states.usage) <= most
    for name in ("allocation", "write_content", "read_content", "forward", "backward"):
        assert np.min(seen[name]) >= -1e-6, name
        assert np.max(np.sum(seen[name], axis=-1)) <= most, name
    for allocation, usage in zip(seen["allocation"][:, 0], states.usage, strict=True):
        assert allocation[np.argmin(usage)] == np.max(allocation)
    assert np.min(states.write_weights) >= 0
    written = np.sum(states.write_weights, axis=-1)
    assert np.all(written <= interface.write_gates * most)
    assert np.min(states.read_weights) >= -1e-6
    assert np.max(np.sum(states.read_weights, axis=-1)) <= most
    assert np.min(states.link) >= -1e-6
    assert np.all(np.diagonal(states.link, axis1=-2, axis2=-1) == 0)
    assert np.max(np.sum(states.link, axis=-1)) <= most
    if memory.links == "full":  # The sparse algorithm scales p, so that columns may be larger.
        assert np.max(np.sum(states.link, axis=-2)) <= most
    assert np.max(np.sum(states.precedence, axis=-1)) <= most


def commands(memory, **fields):
    """An interface that writes, reads and frees nothing but for `fields`."""
    idle = jax.tree.map(jnp.zeros_like, memory.interface(jnp.zeros(memory.interface_size)))
    given = {name: jnp.asarray(value, jnp.float32) for name, value in fields.items()}
    return idle._replace(
        **{name: jnp.broadcast_to(v, getattr(idle, name).shape) for name, v in given.items()}
    )


BACKWARD, CONTENT, FORWARD = np.eye(3)


def test_what_is_written_is_read_in_order_and_by_content_and_its_slot_is_used_again():
    memory = DNCMemory(4, 3, erase_on_deallocation=True)
    step, state = jax.jit(memory.step), memory.initial_state()
    words, order = 2 * np.eye(3) - 0.5, []
    for word in words:
        write = commands(memory, write_gates=1, allocation_gates=1, write_vectors=word)
        state, _ = step(state, write)
        order.append(int(np.argmax(state.write_weights[0])))
    assert len(set(order)) == 3
    np.testing.assert_allclose(state.memory[np.array(order)], words, atol=1e-4)

    find = commands(memory, read_modes=CONTENT, read_keys=words[0], read_strengths=50)
    state, reads = step(state, find)
    np.testing.assert_allclose(reads[0], words[0], atol=1e-4)
    for word in words[1:]:
        state, reads = step(state, commands(memory, read_modes=FORWARD))
        np.testing.assert_allclose(reads[0], word, atol=1e-3)
    state, reads = step(state, commands(memory, read_modes=BACKWARD))
    np.testing.assert_allclose(reads[0], words[1], atol=1e-3)

    # When the last slot is taken as well, the one just read is freed and erased, and used again.
    full, _ = step(state, commands(memory, write_gates=1, allocation_gates=1, write_vectors=1))
    assert int(np.argmax(full.write_weights[0])) not in order
    freed, _ = step(full._replace(read_weights=state.read_weights), commands(memory, free_gates=1))
    np.testing.assert_allclose(freed.memory[order[1]], 0, atol=1e-3)
    np.testing.assert_allclose(freed.usage, np.arange(4) != order[1], atol=1e-3)
    again, _ = step(freed, commands(memory, write_gates=1, allocation_gates=1))
    assert np.argmax(again.write_weights[0]) == order[1]


def test_observe_shows_what_the_weightings_are_made_of():
    memory = DNCMemory(**SIZES)
    rng = np.random.default_rng(5)
    state = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), some_state(memory, rng, (3,)))
    interface = memory.interface(jnp.asarray(some_flats(memory, rng, 3), jnp.float32))
    after, _ = jax.jit(memory.step)(state, interface)
    seen = jax.jit(memory.observe)(state, interface)
    gate = interface.allocation_gates[..., None]
    write = gate * seen["allocation"] + (1 - gate) * seen["write_content"]
    np.testing.assert_allclose(
        interface.write_gates[..., None] * write, after.write_weights, rtol=1e-5, atol=1e-7
    )
    modes = interface.read_modes[..., None]
    ways = seen["backward"][..., 0, :], seen["read_content"], seen["forward"][..., 0, :]
    read = sum(modes[..., way, :] * weights for way, weights in enumerate(ways))
    np.testing.assert_allclose(read, after.read_weights, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("width", "read_heads", "options", "extra"),
    [
        (16, 4, {}, 0),
        (7, 3, {"links": "none"}, -9),
        (7, 3, {"key_masking": True}, 28),
        (7, 3, {"sharpen_links": True}, 6),
        (7, 3, {"write_heads": 2}, 3 * 7 + 3 + 2 * 3),
    ],
)
def test_the_interface_has_the_size_of_the_paper(width, read_heads, options, extra):
    memory = DNCMemory(10, width, read_heads=read_heads, **options)
    size = width * read_heads + 3 * width + 5 * read_heads + 3
    assert memory.interface_size == size + extra


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slots": 0}, "DNC: slots must be at least 1, got 0"),
        ({"width": 0}, "DNC: width must be at least 1, got 0"),
        ({"read_heads": 0}, "DNC: read_heads must be at least 1, got 0"),
        ({"write_heads": -1}, "DNC: write_heads must be at least 1, got -1"),
        ({"links": "ful"}, "links must be one of full, sparse, none, got 'ful'; did you mean"),
        (
            {"links": "sparse", "link_entries": 6},
            "link_entries must be between 1 and the 5 slots, got 6",
        ),
        (
            {"links": "sparse", "link_entries": 0},
            "link_entries must be between 1 and the 5 slots, got 0",
        ),
        ({"links": "none", "sharpen_links": True}, "sharpen_links needs links, got links='none'"),
        ({"controller_size": 0}, "controller_size must be at least 1, got 0"),
        ({"controller_layers": 0}, "controller_layers must be at least 1, got 0"),
        ({"controller": "lstn"}, "unknown controller 'lstn'; did you mean 'lstm'"),
        ({"controller": 3}, "controller: expected one of lstm"),
        ({"similarity": "cosin"}, "unknown similarity 'cosin'; did you mean 'cosine'"),
        ({"similarity": 3}, "similarity: expected one of cosine"),
        ({"clip": 0.0}, "clip must be above 0, got 0.0"),
        ({"bypass_dropout": 1.5}, "got 1.5"),
    ],
)
def test_bad_options_are_refused_in_one_line(options, message):
    with pytest.raises(UserError) as caught:
        DNC(2, 3, **(SIZES | options), key=jax.random.key(0))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
