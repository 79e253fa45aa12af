import json
import os

import equinox as eqx
import jax
import numpy as np
import pytest
from small_runs import small_config

from tapehead.errors import UserError
from tapehead.models import MODELS
from tapehead.training import Run, load_model, next_folder
from tapehead.training.networks import Networks


def networks_of(config):
    """The networks of a run as they begin, with their stacked arrays."""
    networks = Networks(config)
    arrays = jax.vmap(lambda key: eqx.filter(networks.build(key), eqx.is_array))(
        networks.start_keys
    )
    return networks, arrays


@pytest.fixture(scope="module")
def example():
    config = small_config(seeds=3)
    return config, *networks_of(config)


def test_a_run_is_opened_as_it_was_created(tmp_path):
    config = small_config()
    created = Run.create(tmp_path / "a" / "b", config, "tapehead train copy elman")
    assert Run.open(str(tmp_path / "a" / "b")) == created
    assert created.metrics() == []
    assert created.outcome is None


def test_the_config_says_with_what_it_was_made(tmp_path):
    Run.create(tmp_path / "run", small_config(), "the command")
    data = json.loads((tmp_path / "run" / "config.json").read_text())
    assert data["schema"] == 1
    assert data["command"] == "the command"
    assert data["versions"].keys() >= {"python", "tapehead", "jax", "equinox", "optax"}


def test_an_empty_folder_will_do(tmp_path):
    (tmp_path / "run").mkdir()
    Run.create(tmp_path / "run", small_config())


def change_config(folder, **changes):
    path = folder / "config.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | changes))


CREATE = {
    "this run": (
        lambda f: Run.create(f, small_config()),
        "already holds this run: continue it with `tapehead resume",
    ),
    "another run": (
        lambda f: Run.create(f, small_config(batch=5)),
        "holds a run with another config (batch: 5 there, 4 here): choose another folder",
    ),
    "another model": (
        lambda f: Run.create(f, small_config(model=MODELS["lstm"]())),
        "(model.name: lstm there, elman here)",
    ),
    "other files": (
        lambda f: (f.mkdir(), (f / "notes.txt").write_text("mine")),
        "is not empty and not a run: choose another folder",
    ),
    "a file": (lambda f: f.write_text("mine"), "cannot make the run folder"),
}


@pytest.mark.parametrize("case", CREATE)
def test_nothing_is_overwritten(tmp_path, case):
    prepare, message = CREATE[case]
    folder = tmp_path / "run"
    prepare(folder)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(UserError) as caught:
        Run.create(folder, small_config())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match=r"cannot make the run folder .*Permission denied"):
        Run.create(tmp_path / "run", small_config())
    tmp_path.chmod(0o700)


OPEN = {
    "missing": (lambda f: f.rename(f.with_name("rum")), "there is no run folder", "did you mean"),
    "no config": (lambda f: (f / "config.json").unlink(), "is not a run folder: it has no config"),
    "empty config": (lambda f: (f / "config.json").write_text(""), "is damaged: not JSON"),
    "a list": (lambda f: (f / "config.json").write_text("[]"), "expected a JSON object"),
    "cut short": (
        lambda f: (f / "config.json").write_text((f / "config.json").read_text()[:99]),
        "is damaged: not JSON",
    ),
    "no schema": (lambda f: change_config(f, schema=None), "expected a schema number, got None"),
    "newer": (
        lambda f: change_config(f, schema=2),
        "has schema 2, newer than this tapehead's 1: upgrade tapehead",
    ),
    "no settings": (lambda f: change_config(f, config=None), "is damaged: it has no 'config'"),
    "unknown task": (
        lambda f: change_config(f, config={"task": {"name": "cpoy"}}),
        "unknown task 'cpoy'; did you mean 'copy'?",
    ),
}


@pytest.mark.parametrize("case", OPEN)
def test_a_damaged_run_is_not_opened(tmp_path, case):
    Run.create(tmp_path / "run", small_config())
    damage, *messages = OPEN[case]
    damage(tmp_path / "run")
    with pytest.raises(UserError) as caught:
        Run.open(tmp_path / "run")
    for message in messages:
        assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_metrics_of_a_run_that_was_killed(tmp_path):
    run = Run.create(tmp_path / "run", small_config())
    (tmp_path / "run" / "metrics.jsonl").write_bytes(b'{"kind": "train"}\n{"kind": "ev')
    assert run.metrics() == [{"kind": "train"}]
    assert run.outcome is None


def test_damaged_metrics(tmp_path):
    run = Run.create(tmp_path / "run", small_config())
    (tmp_path / "run" / "metrics.jsonl").write_bytes(b'{"kind": "train"}\nrubbish\n{}\n')
    with pytest.raises(UserError, match=r"metrics.jsonl is damaged: line 2 is not JSON"):
        run.metrics()


def test_models_come_back(tmp_path, example):
    config, networks, arrays = example
    run = Run.create(tmp_path / "run", config)
    run.save_models(arrays)
    for number in range(3):
        expected = networks.model(arrays, number)
        for found in (
            run.model(number),
            load_model(tmp_path / "run", number),
            load_model(tmp_path / "run" / "model", number),
        ):
            assert eqx.tree_equal(found, expected)


def test_networks_differ(example):
    _, networks, arrays = example
    one, other = (jax.tree.leaves(networks.model(arrays, n))[0] for n in (0, 1))
    assert not np.array_equal(one, other)


def test_a_network_is_the_same_alone_and_among_others(example):
    _, networks, arrays = example
    few, few_arrays = networks_of(small_config(seeds=1))
    assert eqx.tree_equal(few.model(few_arrays, 0), networks.model(arrays, 0))
    assert (few.training_keys[0] == networks.training_keys[0]).all()
    assert (few.validation_keys(7)[0] == networks.validation_keys(7)[0]).all()


def test_keys_are_all_different():
    networks = Networks(small_config(seeds=3))
    families = [
        networks.start_keys,
        networks.training_keys,
        *(networks.validation_keys(u) for u in range(3)),
        *(networks.test_keys(n) for n in range(3)),
    ]
    data = np.concatenate([jax.random.key_data(keys) for keys in families])
    assert len(np.unique(data, axis=0)) == len(data) == 8 * 3


def test_the_largest_seed_works():
    assert Networks(small_config(seed=2**32 - 1)).training_keys.shape == (2,)


def change_model(folder, **changes):
    change_config(folder / "model", **changes)


MODEL = {
    "missing": (lambda f: [p.unlink() for p in (f / "model").iterdir()], "config.json is missing"),
    "weights missing": (
        lambda f: (f / "model" / "weights.safetensors").unlink(),
        "cannot read .*weights.safetensors",
    ),
    "weights damaged": (
        lambda f: (f / "model" / "weights.safetensors").write_bytes(b"rubbish"),
        "weights.safetensors is damaged: its checksum differs",
    ),
    "newer": (lambda f: change_model(f, schema=2), "has schema 2, newer than"),
    "incomplete": (
        lambda f: change_model(f, seeds=None),
        "is damaged: expected 'seeds' to be int, got None",
    ),
    "another model": (
        lambda f: change_model(f, model={"name": "elman", "hidden": 9}),
        "was made with another config|does not fit this config",
    ),
    "unknown model": (lambda f: change_model(f, model={"name": "elmn"}), "elm"),
    "another task": (
        lambda f: change_model(f, task={"name": "reverse"}),
        "was made with another config",
    ),
}


@pytest.mark.parametrize("case", MODEL)
def test_a_damaged_model_is_not_loaded(tmp_path, example, case):
    config, _, arrays = example
    run = Run.create(tmp_path / "run", config)
    run.save_models(arrays)
    damage, message = MODEL[case]
    damage(tmp_path / "run")
    with pytest.raises(UserError, match=message) as caught:
        run.model()
    assert "\n" not in str(caught.value)


def test_a_network_that_is_not_there(tmp_path, example):
    config, _, arrays = example
    run = Run.create(tmp_path / "run", config)
    with pytest.raises(UserError, match=r"has no trained model yet: .*tapehead resume"):
        run.model()
    run.save_models(arrays)
    with pytest.raises(UserError, match="holds networks 0 to 2, got seed 3"):
        run.model(3)
    with pytest.raises(UserError, match="there is no model folder"):
        load_model(tmp_path / "nowhere")


def test_folders_are_numbered(tmp_path):
    root = tmp_path / "runs"
    assert next_folder(root, "copy", "dnc") == root / "copy-dnc-1"
    for name in ("copy-dnc-1", "copy-dnc-9", "copy-dnc-old", "copy-dnc-10-x", "copy-ntm-12"):
        (root / name).mkdir(parents=True)
    assert next_folder(root, "copy", "dnc") == root / "copy-dnc-10"
    assert next_folder(root, "copy", "lstm") == root / "copy-lstm-1"
