"""The results format: what is in a file, that it is whole, and how runs are summarised."""

import json
import math
from dataclasses import dataclass

import jax.numpy as jnp
import pytest

import experiments.__main__ as listing
from experiments.common import results


@dataclass(frozen=True)
class Config:
    model_dim: int = 7
    widths: tuple[int, ...] = (3, 5)


RECORD_FIELDS = [
    "experiment",
    "config",
    "metrics",
    "seconds",
    "processor_seconds",
    "watt_hours",
    "peak_memory_bytes",
    "device",
    "threads",
    "versions",
    "commit",
]


def test_summary_holds_mean_sample_deviation_and_values():
    summary = results.summarise([1.0, 2.0, 6.0])
    assert summary == {"mean": 3.0, "std": pytest.approx(math.sqrt(7.0)), "values": [1.0, 2.0, 6.0]}


def test_a_single_value_has_no_spread():
    assert results.summarise(0.25) == {"mean": 0.25, "std": 0.0, "values": [0.25]}


def test_metrics_may_be_jax_arrays():
    assert results.summarise(jnp.array([0.25, 0.75]))["values"] == [0.25, 0.75]
    assert results.summarise(jnp.array(0.5))["mean"] == 0.5


def test_a_metric_without_values_is_refused():
    with pytest.raises(ValueError, match="no values"):
        results.summarise([])


def test_record_round_trips_through_its_file(tmp_path):
    record = results.describe("pronounce", Config(), {"word_error": [0.2, 0.4]}, seconds=1.5)
    read = results.read(results.write(tmp_path / "new" / "cpu.json", record))
    assert list(read) == RECORD_FIELDS
    assert read["config"] == {"model_dim": 7, "widths": [3, 5]}
    assert read["metrics"]["word_error"]["values"] == [0.2, 0.4]
    assert read["processor_seconds"] > 0.5  # imports alone take more
    assert read["watt_hours"] == pytest.approx(read["processor_seconds"] / 360, rel=0.01)
    assert read["peak_memory_bytes"] > 10 * 2**20  # the process holds JAX, so more than 10 MiB
    assert {"python", "jax", "numpy"} <= set(read["versions"])


def test_a_diverged_run_is_written_as_valid_json(tmp_path):
    record = results.describe("pronounce", Config(), {"loss": [0.5, math.nan, math.inf]}, seconds=1.0)
    text = results.write(tmp_path / "cpu.json", record).read_text()
    metrics = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["metrics"]
    assert metrics["loss"] == {"mean": None, "std": None, "values": [0.5, None, None]}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = results.write(tmp_path / "cpu.json", {"old": 1})

    def refuse(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(results.os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        results.write(path, {"new": 2})
    assert json.loads(path.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["cpu.json"]


@pytest.mark.parametrize("text", ['{"experiment": "x"}', "[]", "{", ""])
def test_a_file_of_another_format_is_refused(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="not a results file"):
        results.read(path)


def test_last_takes_the_newest_results_and_passes_over_other_files(tmp_path):
    for age, name in enumerate(["full", "cpu"]):
        path = results.write(tmp_path / f"{name}.json", results.describe(name, {}, {"loss": 1.0}, seconds=1.0))
        results.os.utime(path, (1000 - age, 1000 - age))
    (tmp_path / "newest.json").write_text("{}")
    path, record = results.last(tmp_path)
    assert (path.stem, record["experiment"]) == ("full", "full")
    assert results.last(tmp_path / "missing") is None


def test_the_list_of_experiments_shows_the_last_result(tmp_path):
    record = results.describe("digits", {}, {"accuracy": [0.8, 0.9], "loss": math.nan}, seconds=12.0)
    results.write(tmp_path / "digits" / "cpu.json", record)
    assert listing.last_result("digits", tmp_path) == "cpu: accuracy 0.85 ± 0.071, loss diverged, 12 s"
    assert listing.last_result("pronounce", tmp_path) == "not run yet"


def test_the_list_of_experiments_shows_what_is_kept_with_the_code(tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "FOLDER", tmp_path)
    assert listing.committed("new") == "none"
    kept = tmp_path / "new" / "results"
    for name, values in {"mlp": [math.nan], "gat": [0.8, 0.9], "gcn": [0.7]}.items():
        metrics = {"parameters": 7, "test_accuracy": values}
        results.write(kept / f"{name}.json", results.describe("new", {}, metrics, seconds=1.0))
        if name == "mlp":
            assert listing.committed("new") == "test accuracy diverged"
        if name == "gat":
            assert listing.committed("new") == "2 runs: test accuracy 0.85 ± 0.071"
    assert listing.committed("new") == "3 runs: test accuracy 0.7 ... 0.85 ± 0.071"


def test_the_headlines_are_metrics_of_the_results_that_are_kept():
    for name in listing.names():
        assert listing.committed(name)


def test_every_experiment_says_in_one_line_what_it_asks():
    assert [name for name in listing.names() if not listing.question(name)] == []
