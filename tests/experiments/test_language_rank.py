"""The ranking of `language`: what is chosen, what is noted, what is shown, and how far models look."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import experiments
from experiments.common import results, tables
from experiments.common.failures import Mistake
from experiments.language import data, past, rank, sweep
from experiments.language.config import PRESETS
from experiments.language.signature import stateless

FOLDER = Path(experiments.__file__).parent / "language"
TEXT = " ".join(f"{number:b} and {number:x}," for number in range(600))


def test_the_readme_holds_the_tables():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert readme == tables.put(readme, rank.START, rank.END, rank.table(FOLDER / "results"))
    if (FOLDER / "results" / "past.json").exists():
        found = past.table(results.read(FOLDER / "results" / "past.json"))
        assert readme == tables.put(readme, past.START, past.END, found)


def test_the_best_on_test_comes_first(tmp_path):
    for name, bits in (("a", [3.0, 3.2]), ("b", [2.0, 2.2])):
        metrics = {"test_bits": bits, "validation_bits": bits, "num_parameters": [1000], "edges_per_token": [4.5]}
        metrics |= {"processor_seconds_per_step": [0.02], "temporary_bytes": [2.0**20]}
        config = {"model": name, "positions": "own", "learning_rate": 0.01, "sweep": {"own 0.01": 3.1, "own 1": None}}
        results.write(tmp_path / f"rank-{name}.json", results.describe("language", config, metrics, 1.0))
    first, second = rank.rows(tmp_path)
    expected = "| 1 | `b` | own | 0.01 | 2.100 ± 0.141 | 2.100 ± 0.141 | 3.10 to 3.10 | 1,000 | 4.5 | 20 | 1 |"
    assert first == expected and second.startswith("| 2 | `a`")


def test_a_run_that_is_noted_is_not_run_again(tmp_path):
    run, path = sweep.Run("own", 0.01, 5, 0), tmp_path / "notes.jsonl"
    assert sweep.Notes(path, {"a": 1}).get(run, lambda _: {"bits": 2.0}) == {"bits": 2.0}
    with path.open("a") as file:
        file.write('[["own", 0.01, 5, 1], {"bi')  # killed here
    notes = sweep.Notes(path, {"a": 1})
    assert notes.get(run, lambda _: {"bits": 9.0}) == {"bits": 2.0} and len(notes.found) == 1
    with pytest.raises(Mistake, match="of runs with another config"):
        sweep.Notes(path, {"a": 2})


def test_what_has_chosen_is_not_what_is_reported():
    text = data.halves(data.Text(np.arange(5), {"validation": np.arange(9)}, "abc"))
    assert [part.tolist() for part in text.scored.values()] == [[0, 1, 2, 3], [4, 5, 6, 7, 8]]


def test_the_past_that_is_shown_ends_at_the_character():
    rows = past.excerpts(np.arange(40), 8, 5)
    assert rows.shape == (5, 9) and rows[0].tolist() == list(range(9)) and rows[-1, -1] == 39
    assert past.lengths(8) == [1, 2, 4, 8] and past.lengths(12) == [1, 2, 4, 8, 12]

    def counted(params, tokens, *, rng=None):  # says at each place which character was seen there
        return 50.0 * jax.nn.one_hot(tokens + 1, 60)

    measure = past.make_measure(stateless(lambda rng: {}, counted, 1.0), 8)
    for length in (1, 3, 8):
        assert measure({}, jnp.asarray(rows)[None], jnp.int32(length)) < 1e-3


@pytest.mark.slow
def test_a_ranking_is_made_goes_on_and_its_models_are_shown_less(tmp_path, capsys):
    file, readme = tmp_path / "numbers.txt", tmp_path / "README.md"
    file.write_text(TEXT, encoding="utf-8")
    readme.write_text("\n".join([rank.START, rank.END, past.START, past.END]), encoding="utf-8")
    shared = ["--preset", "smoke", "--file", str(file), "--run-dir", str(tmp_path), "--readme", str(readme)]
    arguments = [*shared, "--models", "lstm", "light_conv", "--seeds", "2", "--rates", "0.001", "0.01", "--part", "2"]
    rank.main(arguments)
    record = json.loads((tmp_path / "smoke-light_conv.json").read_text())
    tried, config = record["config"]["sweep"], record["config"]
    assert set(tried) == {f"{positions} {rate}" for positions in ("learned", "none") for rate in ("0.001", "0.01")}
    assert min(tried, key=tried.get) == f"{config['positions']} {config['learning_rate']:g}"
    assert len(record["metrics"]["test_bits"]["values"]) == 2 and record["metrics"]["test_bits"]["mean"] < 5
    before = readme.read_text()
    assert before.count("| `") == 2
    (tmp_path / "smoke-lstm.json").unlink()
    capsys.readouterr()
    rank.main(arguments)
    assert "bits," not in capsys.readouterr().out and readme.read_text() == before  # nothing was trained again
    places = ["--json", str(tmp_path / "past.json"), "--figure", str(tmp_path / "past.png")]
    past.main([*shared, *places, "--models", "lstm", "--characters", "64", "--seeds", "2"])
    metrics = json.loads((tmp_path / "past.json").read_text())["metrics"]
    assert list(metrics) == [f"lstm/{2**i}" for i in range(5)] and (tmp_path / "past.png").exists()
    assert past.table(results.read(tmp_path / "past.json")) in readme.read_text()


def test_what_cannot_be_ranked_is_refused_before_anything_is_run(tmp_path, capsys):
    for more, words in (
        (["--models", "gru"], "unknown model 'gru'"),
        (["--preset", "none"], "unknown preset 'none'"),
        (["--seeds", "0"], "at least 1 each"),
    ):
        with pytest.raises(SystemExit) as stop:
            rank.main(["--run-dir", str(tmp_path), *more])
        assert stop.value.code == 2 and words in capsys.readouterr().err
    assert PRESETS["rank"].validation_characters
