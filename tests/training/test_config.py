import dataclasses
import json

import pytest
from small_runs import small_config

from tapehead.errors import UserError
from tapehead.learning import RULES
from tapehead.models import MODELS
from tapehead.tasks import TASKS
from tapehead.training import OPTIMIZERS, RunConfig, from_json, suggest, to_json
from tapehead.training.presets import MODEL_PRESETS


def through_json(config):
    return from_json(json.loads(json.dumps(to_json(config))))


def test_json_brings_back_the_same_config():
    config = small_config(clip_norm=None, clip_value=0.5, l2=1e-3)
    assert through_json(config) == config


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", MODELS)
def test_every_suggestion_survives_json(task, model):
    config = suggest(task, model)
    assert type(config.task) is TASKS[task]
    assert type(config.model) is MODELS[model]
    assert through_json(config) == config


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_survives_json(name):
    config = suggest("copy", "lstm", optimizer=name)
    assert type(config.optimizer) is OPTIMIZERS[name]
    assert through_json(config) == config


@pytest.mark.parametrize("name", RULES)
def test_every_rule_survives_json(name):
    config = suggest("copy", "lstm", rule=name)
    assert type(through_json(config).rule) is RULES[name]
    assert to_json(through_json(config)) == to_json(config)


def test_a_suggested_learning_rate_belongs_to_its_optimizer():
    found = MODEL_PRESETS["dnc"]["optimizer.learning_rate"]
    assert suggest("copy", "dnc").optimizer.learning_rate == found
    plain = suggest("copy", "dnc", optimizer="sgd").optimizer
    assert plain.learning_rate == OPTIMIZERS["sgd"]().learning_rate != found


def test_the_tasks_defaults_are_used():
    defaults = dict(TASKS["mnist-rows"].defaults)
    config = suggest("mnist-rows", "lstm")
    for name in ("batch", "stop_when_solved"):
        assert getattr(config, name) == defaults[name]


def changed(**changes):
    data = to_json(small_config())
    for path, value in changes.items():
        *folders, name = path.split("__")
        inner = data
        for folder in folders:
            inner = inner[folder]
        inner[name] = value
    return data


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "training: batch must be at least 1, got 0"),
        ({"updates": 0}, "training: updates must be at least 1, got 0"),
        ({"seeds": 0}, "training: seeds must be at least 1, got 0"),
        ({"seed": -1}, "training: seed must be between 0 and 4294967295, got -1"),
        ({"seed": 2**32}, "training: seed must be between"),
        ({"clip_norm": 0.0}, "training: clip_norm must be above 0 or None, got 0.0"),
        ({"clip_value": -1.0}, "training: clip_value must be above 0 or None, got -1.0"),
        ({"l1": -1.0}, "training: l1 must be at least 0, got -1.0"),
        ({"weight_noise": -0.1}, "training: weight_noise must be at least 0"),
        ({"evaluate_every": 0}, "training: evaluate_every must be at least 1"),
        ({"log_every": 0}, "training: log_every must be at least 1"),
        ({"patience": 0}, "training: patience must be at least 1"),
        ({"keep_checkpoints": 1}, "training: keep_checkpoints must be at least 2, got 1"),
        ({"batch": "16"}, "config: batch must be int, got '16'"),
        ({"batch": 1.5}, "config: batch must be int, got 1.5"),
        ({"batch": True}, "config: batch must be int, got True"),
        ({"clip_norm": "big"}, "config: clip_norm must be float or None, got 'big'"),
        ({"l1": float("nan")}, "config: l1 must be float, got nan"),
        (
            {"curriculum": 1},
            "config: curriculum must be bool or one of exponential, linear, one-more, got 1",
        ),
        ({"bach": 16}, "config: unknown setting 'bach'; did you mean 'batch'?"),
        ({"task": "copy"}, "config: 'task' must be an object with a 'name', got 'copy'"),
        ({"task__name": "cpoy"}, "unknown task 'cpoy'; did you mean 'copy'?"),
        ({"model__name": "ltsm"}, "unknown model 'ltsm'; did you mean 'lstm'?"),
        ({"rule__name": "btpt"}, "unknown learning rule 'btpt'; did you mean 'bptt'?"),
        ({"optimizer__name": "adan"}, "unknown optimizer 'adan'; did you mean 'adam'?"),
        ({"model__hiden": 8}, "config: model 'elman': unknown setting 'hiden'; did you mean"),
        ({"model__hidden": "8"}, "config: model 'elman': hidden must be int, got '8'"),
        ({"model__activation": "gelu"}, "activation must be one of tanh, relu, got 'gelu'"),
        ({"optimizer__schedule": "step"}, "schedule must be one of constant, cosine, linear"),
        ({"optimizer__learning_rate": 0}, "Adam: learning_rate must be above 0, got 0"),
        ({"task__max_length": 0}, "Copy: max_length must be at least 1, got 0"),
        ({"model__activation": ["tanh"]}, "activation must be one of tanh, relu, got"),
    ],
)
def test_refuses(changes, message):
    with pytest.raises(UserError) as caught:
        from_json(changed(**changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refuses_a_curriculum_where_there_is_none():
    easy = TASKS["copy"](min_length=1, max_length=2)
    assert len(easy.lessons()) == 1
    with pytest.raises(UserError, match="curriculum: this task has no easier lessons"):
        small_config(task=easy, curriculum=True)


def test_refuses_a_warm_up_as_long_as_the_run():
    data = changed(optimizer__warmup=40)
    with pytest.raises(UserError, match="warmup must be below the run's 40 updates"):
        from_json(data)


def test_settings_that_are_left_out_have_their_defaults():
    data = to_json(small_config())
    del data["l2"]
    assert from_json(data).l2 == 0


def test_the_config_is_plain_json():
    text = json.dumps(to_json(suggest("copy", "dnc")))
    assert json.loads(text)["model"]["name"] == "dnc"


def test_every_field_has_a_meaning_for_the_help_page():
    """A string below each field that is not one of the four parts."""
    import ast
    import inspect

    (definition,) = ast.parse(inspect.getsource(RunConfig)).body
    fields = {f.name for f in dataclasses.fields(RunConfig)} - {
        "task",
        "model",
        "rule",
        "optimizer",
    }
    told = {
        node.target.id
        for node, below in zip(definition.body, definition.body[1:], strict=False)
        if isinstance(node, ast.AnnAssign) and isinstance(below, ast.Expr)
    }
    assert fields <= told
