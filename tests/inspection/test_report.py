"""What a report says is what the run did."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ideal import copying

from tapehead.cell import Stateless
from tapehead.cell import run as run_cell
from tapehead.errors import UserError
from tapehead.inspection.report import collect, render, write_report
from tapehead.inspection.report.charts import learning_charts, size_charts
from tapehead.inspection.report.classified import Classified
from tapehead.inspection.report.content import Content, Row, Tile
from tapehead.inspection.report.examples import answer_panels, input_panel
from tapehead.inspection.report.memory import (
    memory_frames,
    memory_groups,
    mode_names,
    shift_names,
    slot_order,
)
from tapehead.inspection.report.pack import LEVELS, pack, unpack
from tapehead.inspection.report.panels import PAGE_SHARE, frames, scored_spans
from tapehead.inspection.report.sequences import draw, example, inside, sizes_shown
from tapehead.inspection.report.story import (
    counted,
    duration,
    evaluation_rows,
    number,
    outcome,
    tiles,
)
from tapehead.inspection.report.text import verdicts
from tapehead.sequences import Sequences
from tapehead.tasks import Copy, DynamicNgrams, Imdb, JsbChorales, MnistRows, TemporalOrder
from tapehead.tasks.vocabulary import Vocabulary
from tapehead.training import Run, RunConfig, suggest

TARGETS, WEIGHTS, TRACE = copying(5, slots=8, width=6)


# Packed arrays


@pytest.mark.parametrize("low", [-3.0, 0.0])
def test_packing_keeps_numbers_to_a_level_and_zero_exactly(low):
    values = np.random.default_rng(0).uniform(low, 5.0, (7, 3, 2))
    values[2, 1, 0] = 0.0
    packed = json.loads(json.dumps(pack(values)))
    again = unpack(packed)
    assert again.shape == values.shape
    assert again[2, 1, 0] == 0.0
    span = packed["high"] - packed["low"]
    assert np.abs(again - values).max() <= 0.5001 * span / LEVELS


def test_packing_clamps_and_keeps_what_is_missing():
    again = unpack(pack([np.nan, -1.0, 0.25, 9.0, np.inf], 0.0, 1.0))
    np.testing.assert_allclose(again, [np.nan, 0.0, 0.25, 1.0, 1.0], atol=0.002)
    assert unpack(pack(np.zeros((0, 3)))).shape == (0, 3)


# Words


def test_numbers_as_people_read_them():
    assert [number(x) for x in (1400.0, 0.01234, 133.25, 1027.4)] == [
        "1,400",
        "0.0123",
        "133",
        "1,027",
    ]
    assert [number(x, "share") for x in (1.0, 0.99961, 0.5, 0.1234)] == [
        "100 %",
        "99.96 %",
        "50 %",
        "12.3 %",
    ]
    assert number(0.999999, "share") == "99.99 %"  # never 100 % where something was wrong
    assert [duration(s) for s in (17.2, 250, 7500)] == ["17 s", "4 min 10 s", "2 h 5 min"]
    assert [counted(n, "wrong bit") for n in (0, 1, 2000)] == [
        "no wrong bit",
        "1 wrong bit",
        "2,000 wrong bits",
    ]


def lines(*, solved_at, ended="solved", update=1400, wrong=(0.0,), validation_only=False):
    metrics = {
        "bits": [0.01 for _ in wrong],
        "bit_accuracy": [1 - w / 84 for w in wrong],
        "wrong_bits": list(wrong),
        "sequence_accuracy": [float(w == 0) for w in wrong],
    }
    common = {"kind": "evaluation", "update": update, "axis": None, "size": None}
    found = [common | {"set": "validation", "sequences": 1000, "metrics": metrics}]
    if not validation_only:
        found.append(common | {"set": "test", "sequences": 1000, "metrics": metrics})
        grown = {"set": "length 120", "axis": "length", "size": 120, "sequences": 1000}
        found.append(
            common | grown | {"metrics": metrics | {"bit_accuracy": [0.75 for _ in wrong]}}
        )
        shorter = {"set": "length 30", "axis": "length", "size": 30, "sequences": 1000}
        found.append(common | shorter | {"metrics": metrics})
    if ended:
        found.append(
            {"kind": "end", "update": update, "outcome": ended, "solved_at": list(solved_at)}
        )
    return found


def config(**changes) -> RunConfig:
    return dataclasses.replace(suggest("copy", "lstm"), task=Copy(), **changes)


@pytest.mark.parametrize(
    ("changes", "found", "sentence", "standing"),
    [
        (
            {},
            lines(solved_at=[1400]),
            "Solved at update 1,400: no wrong bit in 1,000 fresh sequences.",
            "solved",
        ),
        (
            {"updates": 1400},
            lines(solved_at=[None], ended="budget", wrong=(4.2,)),
            "Not solved within 1,400 updates: 4,200 wrong bits in 1,000 fresh sequences "
            "(95 % of all bits are right).",
            "",
        ),
        (
            {"seeds": 3},
            lines(solved_at=[900, None, 1400], ended="budget", wrong=(0.0, 2.0, 0.0)),
            "2 of 3 networks solved the task, the median one of them at update 1,150: in the "
            "median no wrong bit in 1,000 fresh sequences.",
            "solved",
        ),
        (
            {},
            lines(solved_at=[None], ended="", update=600, wrong=(1.0,), validation_only=True),
            "Not finished: at update 600 of 10,000: 1,000 wrong bits in 1,000 fresh sequences "
            "(98.8 % of all bits are right).",
            "",
        ),
        (
            {},
            [{"kind": "end", "update": 7, "outcome": "diverged", "solved_at": [None]}],
            "Diverged at update 7: a number became NaN or infinite.",
            "failed",
        ),
        ({}, [], "Not finished: at update 0 of 10,000.", ""),
    ],
)
def test_the_outcome_in_one_sentence(changes, found, sentence, standing):
    assert outcome(config(**changes), found) == (sentence, standing)


def test_tiles_tell_the_numbers_worth_knowing():
    timing = [
        {"kind": "start", "update": 0, "time": "2026-01-01T00:00:00"},
        {"kind": "block", "update": 100, "seconds": 4.0, "updates_per_second": 60.0},
        {"kind": "start", "update": 100, "time": "2026-01-01T00:01:00"},
        {"kind": "block", "update": 200, "seconds": 3.0, "updates_per_second": 80.0},
        {"kind": "end", "update": 1400, "seconds": 13.0},
    ]
    told = tiles(config(), lines(solved_at=[1400]), timing, 61234)
    assert told == [
        Tile("Wrong bits", "0", "in 1,000 fresh sequences"),
        Tile("Solved at update", "1,400", "22,400 sequences seen"),
        Tile("Training time", "17 s", "80 updates a second"),
        Tile("Parameters", "61,234"),
        Tile("At length 120", "75 %", "right bits; trained up to 20"),
    ]


def test_the_table_has_medians_and_spreads_in_the_order_of_sizes():
    rows, columns = evaluation_rows(lines(solved_at=[None, None], wrong=(1.0, 3.0)))
    assert [row.name for row in rows] == ["test", "length 30", "length 120"]
    assert columns[0] == "bits per sequence"
    assert rows[0].cells["wrong bits per sequence"] == ("2", "1 to 3")
    assert rows[0].cells["bits per sequence"] == ("0.01", "")


# Charts


def test_charts_carry_the_metrics():
    found = [
        {"kind": "train", "update": u, "metrics": {"bits": [80.0 / u, None]}} for u in (1, 10, 100)
    ] + lines(solved_at=[1, 1], wrong=(0.0, 1.0))
    bits = learning_charts(found)[0]
    assert (bits["label"], bits["scale"], bits["xlabel"]) == ("bits per sequence", "log", "update")
    training, validation = bits["series"]
    assert training["seeds"] == [[80.0, 8.0, 0.8], [None, None, None]]
    assert (validation["name"], validation["x"]) == ("validation", [1400])
    right = size_charts(found, Copy(min_length=2))[0]
    assert right["label"] == "right bits"
    assert right["band"] == {"low": 2, "high": 20, "label": "trained on 2 to 20"}
    assert right["series"][0]["x"] == [30, 120]


def test_the_best_possible_is_drawn_where_it_is_known():
    found = [
        {
            "kind": "evaluation",
            "update": 5,
            "set": "validation",
            "size": None,
            "metrics": {"bits": [140.0], "optimal_bits": [133.0]},
        }
    ]
    (bits,) = learning_charts(found)
    assert [series["name"] for series in bits["series"]] == ["validation", "optimal estimator"]


# Sequences


def test_scored_spans_are_the_runs_of_weighted_steps():
    assert scored_spans(np.array([0, 1, 1, 0, 0, 1.0])) == [[1, 3], [5, 6]]
    assert scored_spans(np.ones(4)) == []


def test_wrong_bits_are_marked_and_counted():
    sequence = Sequences(jnp.asarray(TRACE.inputs), jnp.asarray(TARGETS), jnp.asarray(WEIGHTS))
    target, output = answer_panels(Copy(), sequence, TRACE.outputs)
    assert output["wrong"] == [[7, 1]]
    assert output["verdict"] == "1 of 40 bits wrong"
    drawn = unpack(target["data"])
    assert np.isnan(drawn[:6]).all()
    np.testing.assert_array_equal(drawn[6:], TARGETS[6:])
    perfect = np.where(TARGETS > 0.5, 1.0, -1.0)
    assert answer_panels(Copy(), sequence, perfect)[1]["verdict"] == "all 40 bits right"
    assert answer_panels(Copy(), sequence, 0 * perfect)[1]["verdict"] == "40 of 40 bits wrong"


def test_classes_are_marked_where_another_was_chosen():
    weights = np.array([0.0, 1.0, 1.0])
    sequence = Sequences(jnp.zeros((3, 1)), jnp.array([0, 2, 1]), jnp.asarray(weights))
    outputs = np.array([[9.0, 0, 0], [0, 0, 9.0], [9.0, 0, 0]])
    _, output = answer_panels(MnistRows(), sequence, outputs)
    assert output["wrong"] == [[2, 0]]
    assert output["verdict"] == "1 of 2 answers wrong"


@pytest.mark.parametrize(
    ("right", "verdict", "wrong"), [(2, "2, recognised", []), (1, "1, taken for 2", [[2, 2]])]
)
def test_a_single_class_is_shown_as_it_forms(right, verdict, wrong):
    weights = jnp.array([0.0, 0.0, 1.0])
    sequence = Sequences(jnp.zeros((3, 1)), jnp.full(3, right), weights)
    outputs = np.array([[9.0, 0, 0], [0, 9.0, 0], [0, 0, 9.0]])
    (formed,) = answer_panels(MnistRows(), sequence, outputs)
    assert (formed["verdict"], formed["wrong"]) == (verdict, wrong)
    np.testing.assert_allclose(unpack(formed["data"]).argmax(axis=1), [0, 1, 2])


def test_undetermined_tasks_show_the_best_possible_prediction():
    task = DynamicNgrams(order=2, length=6)
    batch = jax.jit(task.sample, static_argnums=1)(jax.random.key(0), 1)
    one = jax.tree.map(lambda x: x[:, 0], batch)
    best = answer_panels(task, one, np.zeros((6, 1)))[2]
    np.testing.assert_allclose(unpack(best["data"]), task.solve(batch)[:, 0], atol=0.002)


def test_confusion_counts_rows_of_truth():
    found = Classified(..., ..., ..., np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), ["a"] * 3)
    assert found.confusion() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert found.shown(1, 9) == [0, 1, 3]
    assert found.shown(1, 2) == [0, 1]


def test_classes_have_their_names():
    class Sure(Stateless):
        input_size = output_size = None

        def __call__(self, x):
            return jax.nn.one_hot(x - 2, 2) * 9

    words, labels = jnp.array([[2, 2], [3, 2]]), jnp.array([[1, 1], [1, 1]])
    sequences = Sequences(words, labels, jnp.array([[0.0, 0], [1, 1]]))
    found = Classified.of(Sure(), Imdb(words=4), sequences)
    assert found.confusion() == [[0, 0], [1, 1]]
    passages = verdicts(found, Vocabulary(("", "", "bad", "good"), "words"))
    titles = [passage.title for passage in passages]
    assert titles == ["praise, recognised", "praise, taken for blame"]
    says = [says for _, _, says in passages[0].pieces]
    assert says == ["blame: 1.00, praise: 0.00", "blame: 0.00, praise: 1.00"]
    page = render(content(passages=passages, confusion=found.confusion(), classes=found.names))
    assert "the warm colour for praise, the cool one for blame" in page
    assert '<th scope="row">blame</th>' in page
    assert [TemporalOrder().class_name(n) for n in range(4)] == ["XX", "XY", "YX", "YY"]


def test_music_is_drawn_as_keys():
    sequence = Sequences(jnp.zeros((3, 88)), jnp.zeros((3, 88)), jnp.ones(3))
    drawn = [
        input_panel(JsbChorales(), sequence),
        *answer_panels(JsbChorales(), sequence, np.zeros((3, 88))),
    ]
    assert [one["rows"] for one in drawn] == ["key"] * 3


# The memory


def panel_titles(groups):
    return {group["title"]: [panel["title"] for panel in group["panels"]] for group in groups}


def test_every_part_of_a_dnc_has_its_panel():
    groups = memory_groups(TRACE)
    assert panel_titles(groups) == {
        "Writing": ["Write weights", "Write gates", "Allocation gates"],
        "Reading": ["Read weights", "Read modes"],
        "Which slots are free": ["Usage", "Allocation", "Free gates"],
    }
    write = groups[0]["panels"][0]
    drawn = unpack(write["data"])
    np.testing.assert_allclose(drawn, TRACE.find("write_weights")[:, 0], atol=0.002)
    modes = groups[1]["panels"][1]
    assert modes["names"] == ["back", "content", "forward"]


def test_frames_hold_contents_and_links_with_columns_first():
    contents, links = memory_frames(TRACE)
    expected = TRACE.find("memory.memory").transpose(0, 2, 1)
    step = contents["data"]["high"] / LEVELS
    np.testing.assert_allclose(unpack(contents["data"]), expected, atol=1.01 * step)
    expected = TRACE.find("link")[:, 0].transpose(0, 2, 1)
    np.testing.assert_allclose(unpack(links["data"]), expected, atol=0.002)
    assert (contents["heads"], links["square"], links["every"]) == (True, True, 1)


def test_frames_that_are_large_are_thinned_and_at_last_left_out():
    options = {"note": "Contents.", "rows": "slot", "columns": "number"}
    rng = np.random.default_rng(0)
    noise = rng.uniform(size=(9, 480, 150))
    (kept,) = frames("Memory", noise, **options)
    assert (kept["every"], kept["data"]["shape"]) == (4, [3, 150, 480])
    assert len(kept["data"]["bytes"]) <= PAGE_SHARE
    np.testing.assert_allclose(unpack(kept["data"])[1], noise[4].T, atol=0.003)
    assert kept["note"] == "Contents. Kept for every 4 steps only."
    assert frames("Memory", rng.uniform(size=(2, 2000, 150)), **options) == []


def test_slots_in_the_order_of_first_writing():
    order = slot_order(TRACE)
    assert sorted(order) == list(range(8))
    np.testing.assert_array_equal(order[:5], TRACE.find("write_weights")[:5, 0].argmax(axis=-1))


def test_names_of_modes_and_shifts():
    assert mode_names(5) == ["back 1", "back 2", "content", "forward 1", "forward 2"]
    assert shift_names(3) == ["-1", "0", "+1"]


# The page


def content(**changes) -> Content:
    return Content(
        **{
            "title": "copy · dnc",
            "kicker": "training run copy-dnc-1",
            "outcome": "Solved at update 1,400: no wrong bit in 1,000 fresh sequences.",
            "standing": "solved",
            "tiles": [Tile("Wrong bits", "0", "in 1,000 fresh sequences")],
            "learning": [],
            "generalisation": [],
            "axis": "length",
            "evaluations": [Row("test", {"right bits": ("100 %", "")})],
            "metrics": ["right bits", "bits per sequence"],
            "shown": "",
            "settings": {"Task: copy": {"bits": "8"}},
            "command": "tapehead train copy dnc --seed 0",
            "versions": {"jax": "0.10.2"},
        }
        | changes
    )


def test_the_page_says_everything_even_without_its_script():
    page = render(content())
    for text in ("Solved at update 1,400", "tapehead train copy dnc --seed 0", "jax 0.10.2"):
        assert text in page
    assert "{{" not in page
    assert 'id="memory"' not in page
    assert '<td class="number">–</td>' in page


def test_what_a_user_typed_cannot_break_out_of_the_page():
    bad = "</script><script>alert(1)</script>{{style}}"
    chart = learning_charts([{"kind": "train", "update": 1, "metrics": {bad: [1.0]}}])
    page = render(content(command=bad, title=bad, learning=chart))
    assert "alert(1)</script>" not in page
    assert page.count("<script") == 2
    assert "&lt;/script&gt;" in page


def test_the_page_names_no_address():
    page = render(content())
    for line in page.splitlines():
        assert "http" not in line or "http-equiv" in line or "www.w3.org/2000/svg" in line


# From a run folder


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """A run folder with a model that was never trained, and metrics written by hand."""
    settings = dataclasses.replace(
        suggest("copy", "lstm"), task=Copy(max_length=3, bits=2), seeds=2, updates=1400
    )
    settings = dataclasses.replace(settings, model=dataclasses.replace(settings.model, hidden=4))
    made = Run.create(tmp_path_factory.mktemp("runs") / "copy-lstm-1", settings, "tapehead train")
    found = lines(solved_at=[None, 1400], ended="budget", wrong=(3.0, 0.0))
    (made.folder / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in found))
    return made


def test_a_run_without_a_model_has_its_curves_only(run):
    told = collect(run)
    assert told.title == "copy · lstm"
    assert told.outcome.startswith("1 of 2 networks solved the task, the median one of them at")
    assert not told.examples
    assert not told.memory
    assert told.generalisation
    assert told.settings["Task: copy"]["max length"] == "3"
    assert "jax" in told.versions


def test_the_examples_are_what_the_network_does(run):
    task = run.config.task
    model = run.config.model.build(task.input_size, task.output_size, key=jax.random.key(0))
    drawn = draw(model, sizes_shown(task), jax.random.key(1))
    assert [one.title for one in drawn] == ["length 3", "length 3", "length 10", "length 10"]
    assert [len(one.sequence.weights) for one in drawn] == [7, 7, 21, 21]
    told = drawn[0]
    alone = jax.jit(run_cell)(model, jnp.asarray(told.sequence.inputs))
    np.testing.assert_allclose(told.trace.outputs, alone, rtol=1e-5, atol=1e-6)
    assert example(told)["title"] == "length 3, no. 1"
    assert example(told)["scored"] == [[4, 7]]
    state = inside(told)
    assert "frames" not in state
    titles = panel_titles(state["groups"])["State"]
    assert titles[:2] == ["Cell", "Hidden"]


def test_writing_replaces_an_older_report(run):
    (run.folder / "report.html").write_text("old")
    path = write_report(run)
    assert path == run.folder / "report.html"
    assert "1 of 2 networks" in path.read_text(encoding="utf-8")
    assert sorted(p.name for p in run.folder.iterdir()) == [
        "config.json",
        "metrics.jsonl",
        "report.html",
    ]


def test_a_folder_that_cannot_be_written_is_named(run):
    (run.folder / "report.html").unlink(missing_ok=True)
    (run.folder / "report.html").mkdir()
    try:
        with pytest.raises(UserError, match=r"report: cannot write .*report.html: "):
            write_report(run)
        assert not (run.folder / "report.html.new").exists()
    finally:
        (run.folder / "report.html").rmdir()
