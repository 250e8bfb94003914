"""The experiment on warm-up: the theory of gradients before the first step, its cells, its command and its pictures."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments.common import tables
from experiments.warmup import figures, gallery, report, run
from experiments.warmup.config import PRESETS, Config
from experiments.warmup.model import gradient_norms, make
from experiments.warmup.train import has_diverged, rates_of, trainer
from tgnn.schedules import warmup_cosine

VOCAB = 31
NAN = float("nan")
SMALL = replace(PRESETS["smoke"], num_steps=5)


@pytest.mark.slow
def test_gradients_before_the_first_step_order_as_the_theory_says():
    """Xiong et al., theorem 1: the last layer's is O(d sqrt(ln d)) post-LN, whatever the depth L, and 1/sqrt(L) pre-LN.

    The embedding is in the pre-LN sum, too, so that the norm falls more slowly than the root of the depth.
    """
    config = Config(model_dim=32, num_heads=2, context=24)
    tokens = np.random.default_rng(0).integers(VOCAB, size=(8, config.context + 1))
    last = {}
    for arrangement in ("post", "pre"):
        for depth in (2, 12):
            look = jax.jit(partial(gradient_norms, make(config, arrangement, VOCAB, depth)))
            last[arrangement, depth] = float(look(jax.random.key(0), tokens)[-1])
    assert last["post", 12] > 0.8 * last["post", 2]
    assert 0.3 < last["pre", 12] / last["pre", 2] < 0.9
    assert (
        last["post", 12] > 2 * last["pre", 12] and last["post", 12] / last["pre", 12] > last["post", 2] / last["pre", 2]
    )


def test_a_cell_is_trained_at_the_rates_of_its_schedule():
    np.testing.assert_allclose(
        rates_of("tenth", 0.1, 40), [float(warmup_cosine(0.1, 4, 40)(i)) for i in range(40)], 1e-5
    )
    assert rates_of("none", 0.1, 40)[0] == np.float32(0.1)
    assert rates_of("compressive", 0.3, 516)[[0, 16]] == pytest.approx([0.001, 0.3], rel=1e-4)


@pytest.mark.slow
def test_one_program_serves_all_rates_and_is_adam_on_the_loss():
    """At a rate of 0 nothing is learnt; the first step of Adam moves every weight by the rate."""
    model = make(SMALL, "post", VOCAB)
    train, key = trainer(model), jax.random.key(0)
    tokens = np.random.default_rng(0).integers(VOCAB, size=(5, 2, SMALL.context + 1))
    tokens[:] = tokens[0]
    still = train(key, np.zeros(5, np.float32), tokens, tokens[:1])
    np.testing.assert_allclose(still.losses, float(still.validation), rtol=1e-5)
    np.testing.assert_allclose(still.validation, model.loss(model.init(key), tokens[0]), rtol=1e-5)
    moved = train(key, np.full(5, 1e-2, np.float32), tokens, tokens[:1])
    assert moved.validation < moved.losses[1] < moved.losses[0] == still.losses[0]
    assert train._cache_size() == 1  # pyright: ignore


def test_a_run_diverges_above_the_unigram_and_without_a_number():
    assert [has_diverged(nats, 3.0) for nats in (2.9, 3.0, 3.1, float("inf"), NAN)] == [False, False, True, True, True]


METRICS = {
    "unigram_nats": [3.0, 3.0],
    "post/none/0.01/nats": [2.0, None],
    "post/none/0.01/diverged": [0.0, 1.0],
    "post/tenth/0.01/nats": [3.5, NAN],
    "post/tenth/0.01/diverged": [1.0, 1.0],
    "post/gradient/2/1": [1.0, 2.0],
    "post/gradient/2/2": [2.0, 4.0],
    "post/gradient/4/1": [1.0, 1.0],
    "post/gradient/4/2": [1.0, 1.0],
    "post/gradient/4/3": [1.0, 1.0],
    "post/gradient/4/4": [1.0, 1.0],
}


def test_tables_count_what_diverged_and_average_the_rest():
    header, none, tenth = report.nats_rows(METRICS)
    assert header == ["arrangement", "warm-up", "rate 0.01"]
    assert none == ["post-LN", "none", "2.000 (1 of 2 diverged)"]
    assert tenth == ["post-LN", "a tenth", "2 of 2 diverged"]
    assert report.gradient_rows(METRICS)[1][1] == "3.0000 ± 1.4142"


@pytest.mark.slow
def test_pictures_are_drawn_also_where_all_diverged(tmp_path):
    assert figures.draw(METRICS, tmp_path / "a.png").stat().st_size > 1000
    file = tmp_path / "configs.json"
    file.write_text(json.dumps({"mine": {"schedule": "one_cycle", "learning_rate": 1e-3, "num_steps": 50}}))
    for argv in ([], [str(file), "--log"]):
        picture = tmp_path / f"{len(argv)}.png"
        gallery.main([*argv, "--num-steps", "50", "--output", str(picture)])
        assert picture.stat().st_size > 1000


def test_an_unknown_schedule_in_a_file_is_one_line(tmp_path, capsys):
    file = tmp_path / "configs.json"
    file.write_text('{"mine": {"schedule": "cosine"}}')
    with pytest.raises(SystemExit) as stop:
        gallery.main([str(file)])
    assert stop.value.code == 2 and "warmup_cosine" in capsys.readouterr().err


@pytest.mark.slow
def test_a_smoke_run_is_recorded_and_goes_on(data_dir, tmp_path):
    root = str(data_dir("tinyshakespeare").parent)
    file = tmp_path / "result.json"
    argv = ["--preset", "smoke", "--data-dir", root, "--run-dir", str(tmp_path), "--json", str(file)]
    run.main(argv)
    first = json.loads(file.read_text())["metrics"]
    run.main([*argv, "--resume", "--seeds", "2"])
    metrics = json.loads(file.read_text())["metrics"]
    names = [f"post/{start}/0.01/{what}" for start in ("none", "tenth") for what in ("nats", "diverged")]
    assert set(names) | {"unigram_nats", "post/gradient/2/2", "post/seconds"} <= metrics.keys()
    for name in names:
        assert metrics[name]["values"][0] == first[name]["values"][0] and len(metrics[name]["values"]) == 2
    assert (tmp_path / "smoke.png").exists() and (tmp_path / "schedules.png").exists()


def test_the_readme_says_what_the_results_say():
    folder = Path(report.__file__).parent
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text == tables.put(text, report.START, report.END, report.markdown(folder / "results"))
