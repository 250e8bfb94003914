"""The speed harness: equality before time, reports made from the results file, and the documentation's table."""

import json
import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.common import results
from experiments.speed import cases, graphs, measure, report
from experiments.speed.config import PRESETS, Config
from experiments.speed.contestant import Contestant, from_jax
from experiments.speed.machine import Limits
from experiments.speed.run import main, one

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "experiments" / "speed" / "results" / "cpu.json"

TOLERANCE = 2e-5


def side(number, gradient=1.0, calls=None):
    """A contestant that returns constants."""
    arrays = [np.array([1.0, number])], [np.array([1.0, number]), np.array([gradient])]
    note = lambda i: (calls.append(number) if calls is not None else None, arrays[i])[1]  # noqa: E731
    return Contestant(lambda: note(0), lambda: note(1), list)


@pytest.mark.parametrize(("wrong", "where"), [(side(2.001), "the output"), (side(2.0, 1.01), "gradient 1")])
def test_unequal_sides_are_not_timed(wrong, where):
    with pytest.raises(measure.Unequal, match=f"theirs differs from ours .* {where}"):
        measure.check_equal({"ours": side(2.0), "theirs": wrong}, "ours", TOLERANCE)
    with pytest.raises(measure.Unequal):
        measure.check_equal({"ours": side(2.0), "theirs": side(float("nan"))}, "ours", TOLERANCE)


def training_side(loss, change):
    """A contestant that trains and whose steps end so."""
    return Contestant(None, lambda: loss, lambda x: [np.asarray(x)], proof=lambda: [np.array([loss]), change])


def test_sides_that_train_are_compared_by_their_first_steps():
    change = np.ones(100, np.float32)
    flipped = change.copy()
    flipped[0] += 1e-3  # one unit that is on at one side only
    sides = {"ours": training_side(2.0, change), "theirs": training_side(2.0, flipped)}
    errors = measure.check_equal(sides, "ours", 2e-4)
    assert errors["theirs/both_error"] == pytest.approx(1e-4, rel=1e-3) and set(errors) == {
        "ours/both_error",
        "theirs/both_error",
    }
    for wrong, where in ((training_side(2.1, change), "the losses"), (training_side(2.0, 1.1 * change), "weights 1")):
        with pytest.raises(measure.Unequal, match=f"root mean square in .*{where}"):
            measure.check_equal({"ours": training_side(2.0, change), "theirs": wrong}, "ours", 2e-4)
    times = measure.time_all(sides, Config(cases=(), budget=0.0, least_rounds=1))
    assert set(times) == {f"{side}/both_{clock}" for side in sides for clock in ("seconds", "cpu_seconds")}


def test_variants_of_ours_have_rows_of_their_own_and_are_nobodys_best_other():
    times = {"PyG": 4.0, "tgnn": 8.0, "tgnn, programs kept": 2.0}
    record = {"metrics": {f"start-gat/{side}/both_seconds": {"values": [x]} for side, x in times.items()}}
    text = report.summary(record, ())
    assert "| start and first step, gat | – | 2.00 (PyG) |" in text
    assert "| start and first step, gat, programs kept | – | 0.50 (PyG) |" in text


def test_sides_run_in_turn():
    calls = []
    sides = {"a": side(1.0, calls=calls), "b": side(2.0, calls=calls)}
    times = measure.time_all(sides, Config(cases=(), budget=0.0, least_rounds=3))
    assert calls == ([1.0, 2.0] + [1.0, 1.0, 2.0, 2.0] * 3) * 2  # once; then each twice, of which one is timed
    assert all(len(x) == 3 for x in times.values()) and len(times) == 8


@pytest.fixture(scope="module")
def record():
    """A tiny run of the cases that need no peer."""
    config = Config(cases=(), budget=0.0, density_nodes=13, densities=(0.3,))
    found = {}
    for case in cases.make("density", config, None):
        found |= one(case, config, Limits(1e9, 1e9))
    return results.describe("speed", {"threads": 1}, found, 1.0)


@pytest.mark.slow
def test_a_case_is_equal_timed_and_reported(record, tmp_path):
    for direction in ("forward", "both"):
        for quantity in ("seconds", "cpu_seconds", "error", "compile_seconds", "temporary_bytes"):
            assert f"density-0.3/tgnn edges/{direction}_{quantity}" in record["metrics"]
    assert record["metrics"]["density-0.3/tgnn edges/both_error"]["mean"] <= TOLERANCE
    report.write(tmp_path / "cpu.json", record)
    text = (tmp_path / "cpu.md").read_text()
    assert "| density-0.3 | tgnn blocks |" in text and "| TPU | | not measured | not measured | |" in text
    assert (tmp_path / "cpu-density-time.png").stat().st_size > 0


def test_rows_say_whether_a_target_was_met():
    assert report.compared("x", "PyG", [0.1, 0.3], (0.16, 0.25)) == "| x | PyG | 0.1 (0.16) | 0.3 (0.25) | missed |"
    assert report.compared("x", "PyG", [0.1, 0.2], (0.16, 0.25)).endswith("| met |")
    assert report.compared("x", "PyG", [None, None], (0.16, 0.25)).endswith("| not measured | not measured |  |")


def test_graphs_have_the_published_sizes():
    for name, n, n_edge in (("cora", 2_708, 13_264), ("mol", 2_944, 9_344)):
        graph = graphs.make(name)
        assert graph.n == n and len(graph.senders) == len(graph.receivers) == n_edge
        assert (np.diff(graph.receivers) >= 0).all() and graph.senders.max() < n


def test_every_case_of_every_preset_has_a_name():
    for config in PRESETS.values():
        assert {name.split("-")[0] for name in config.cases} <= set(cases.FAMILIES)
    with pytest.raises(ValueError, match="the families are edges"):
        cases.make("nonsense-5", PRESETS["smoke"], None)


@pytest.mark.slow
def test_jraph_and_ours_are_equal_on_edges():
    graph = graphs.make("tiny")
    case = cases.edges.compare("edges-tiny", graph, 8)
    sides = {name: case.sides[name]() for name in ("jraph", "tgnn")}
    assert max(measure.check_equal(sides, "jraph", TOLERANCE).values()) <= TOLERANCE


@pytest.mark.slow
def test_every_smoke_case_is_equal_to_its_peers():
    pytest.importorskip("torch_geometric")
    config = PRESETS["smoke"]
    for name in config.cases:
        for case in cases.make(name, config, None):
            assert one(case, config, Limits(1e9, 1e9))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["lm-step-tiny", "epoch-molecules-mpnn-tiny", "epoch-molecules-gps-tiny", "epoch-citation-tiny", "start-gat-tiny"],
)
def test_our_side_of_training_runs_without_peers(name):
    (case,) = cases.make(name, PRESETS["smoke"], None)
    side = case.sides["tgnn"]()
    losses, *changes = side.proof()
    assert np.isfinite(losses).all() and all(np.isfinite(x).all() for x in changes)
    assert np.isfinite(side.to_numpy(side.both())[0]).all()


@pytest.mark.slow
def test_an_own_score_equals_the_dot_product_of_mapped_nodes():
    for name in ("score-complete-64", "score-window-64", "score-edges-tiny"):
        (case,) = cases.make(name, PRESETS["smoke"], None)
        sides = {side: build() for side, build in case.sides.items()}
        assert max(measure.check_equal(sides, case.baseline, TOLERANCE).values()) <= TOLERANCE


@pytest.mark.slow
def test_memory_of_the_process_is_seen():
    contestant = from_jax(lambda _, x: jnp.sort(x), None, [np.ones(2**22, np.float32)], np.ones(2**22), gradients=False)
    rise = measure.peak_rise(contestant.forward, contestant)
    assert rise is None or rise < 2**28  # None where the system does not tell


def test_the_page_shows_the_committed_results():
    record = results.read(COMMITTED) if COMMITTED.exists() else {"metrics": {}}  # before the first run: not measured
    shown = re.search(r"<!-- speed -->\n(.*?)\n<!-- /speed -->", (ROOT / "docs" / "speed.md").read_text(), re.DOTALL)
    assert shown and shown[1] == report.summary(record)


@pytest.mark.parametrize("name", ["host", "training"])
def test_the_page_shows_the_other_committed_results(name):
    path = COMMITTED.with_name(f"{name}.json")
    record = results.read(path) if path.exists() else {"metrics": {}}
    text = (ROOT / "docs" / "speed.md").read_text()
    shown = re.search(rf"<!-- speed {name} -->\n(.*?)\n<!-- /speed {name} -->", text, re.DOTALL)
    assert shown and shown[1] == report.summary(record, ())


def test_the_page_shows_what_was_found_on_a_gpu():
    found = json.loads((ROOT / "docs" / "accelerator.json").read_text())
    text = (ROOT / "docs" / "speed.md").read_text()
    shown = re.search(r"<!-- speed gpu -->\n(.*?)\n<!-- /speed gpu -->", text, re.DOTALL)
    assert shown and shown[1] == report.summary_of_gpu(found)


def test_the_table_goes_between_its_marks(tmp_path):
    record = {"metrics": {}}
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- speed -->\nold\n<!-- /speed -->\nafter\n")
    report.embed(path, record)
    report.embed(path, record)
    text = path.read_text()
    assert text.startswith("before\n<!-- speed -->\n|") and text.endswith("|\n<!-- /speed -->\nafter\n")
    assert "old" not in text and text.count("| TPU |") == 1


def test_a_peer_may_be_missing_but_not_our_own_side():
    def unable():
        raise RuntimeError("no such kernel")

    case = cases.make("edges-tiny", PRESETS["smoke"], None)[0]
    with pytest.raises(RuntimeError, match="no such kernel"):
        one(case._replace(sides={"tgnn": unable}), PRESETS["smoke"], Limits(1e9, 1e9))
    assert one(case._replace(sides={"PyG": unable}), PRESETS["smoke"], Limits(1e9, 1e9)) == {}


def test_an_unknown_case_ends_in_one_line_before_anything_is_measured(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--preset", "smoke", "--cases", "edges", "foo", "--json", str(tmp_path / "speed.json")])
    assert stop.value.code == 2 and not (tmp_path / "speed.json").exists()
    assert "unknown case 'foo'; the families are edges, gat" in capsys.readouterr().err


def test_lines_cross_between_their_points_on_logarithmic_axes():
    from experiments.speed.figures import crossing

    level = [(0.01, 1.0), (0.1, 1.0), (1.0, 1.0)]
    assert crossing([(0.01, 0.1), (0.1, 0.1), (1.0, 10.0)], level) == pytest.approx(10**-0.5)
    assert crossing(level, level) is None
