"""The sampling experiment: the graph's hubs, a race that begins with a check, and an epoch that is recorded."""

import json
from dataclasses import replace

import numpy as np
import pytest

from experiments.common import command
from experiments.sampling import run
from experiments.sampling.config import PRESETS
from experiments.sampling.graph import in_edges, make_edges
from experiments.sampling.race import check, read
from tgnn.sampling import sample_neighbors

SMALL = replace(PRESETS["smoke"], fanouts=(3, 3))
EDGES = make_edges(SMALL)
GRAPH = in_edges(EDGES, SMALL)
SEEDS = np.arange(32)


def test_few_nodes_have_most_of_the_edges():
    degrees = np.sort(GRAPH.degrees())[::-1]
    assert degrees.sum() == SMALL.num_edges and degrees[:40].sum() > 0.25 * SMALL.num_edges


def test_a_sample_of_the_graph_passes_and_one_that_is_changed_or_cut_does_not():
    sample = read(sample_neighbors(GRAPH, SEEDS, SMALL.fanouts, seed=0))
    check("tgnn", sample, EDGES, GRAPH.degrees(), SEEDS, SMALL)
    other = sample._replace(senders=np.roll(sample.senders, 1))
    for wrong in (other, type(sample)(*(x[:-20] for x in sample)), type(sample)(*(x[:0] for x in sample))):
        with pytest.raises(command.Mistake, match="not of the graph"):
            check("tgnn", wrong, EDGES, GRAPH.degrees(), SEEDS, SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["sampler", "graph_sage"])
def test_a_smoke_run_is_recorded(model, tmp_path):
    file = tmp_path / "result.json"
    run.main(["--preset", "smoke", "--model", model, "--run-dir", str(tmp_path), "--json", str(file)])
    metrics = json.loads(file.read_text())["metrics"]
    if model == "sampler":
        assert len(metrics["tgnn_batches_per_second"]["values"]) == SMALL.rounds
    else:
        assert metrics["loss_last"]["mean"] < metrics["loss_first"]["mean"]
        assert metrics["steps"]["mean"] == 12 and 0 < metrics["peak_gigabytes"]["mean"] < 100


def test_mistakes_end_with_two_in_one_line(capsys, tmp_path):
    for argv, message in ((["--seeds", "2"], "most memory"), (["--config.batches", "99"], "more than 400 nodes")):
        with pytest.raises(SystemExit) as stop:
            run.main(["--preset", "smoke", "--run-dir", str(tmp_path), *argv])
        assert stop.value.code == 2 and message in capsys.readouterr().err
