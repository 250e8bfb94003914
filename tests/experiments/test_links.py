"""Link prediction: what is asked is not shown, and the graph tells more than the words."""

import json

import numpy as np
import pytest

from experiments.links import run
from experiments.links.config import Config
from experiments.links.task import load, make_task


@pytest.fixture
def cora(data_dir):
    return load("cora", data_dir("planetoid_cora").parent)


def as_set(senders, receivers):
    return {*zip(np.minimum(senders, receivers).tolist(), np.maximum(senders, receivers).tolist(), strict=True)}


def test_no_link_that_is_asked_for_is_shown_or_learned(cora):
    shown = as_set(*cora.graph.pairs())
    sizes = {part: len(asked.labels) for part, asked in cora.parts.items()}
    assert sizes == {"validation": 2 * 263, "test": 2 * 527} and len(cora.train.senders) == 4488
    for asked in cora.parts.values():
        assert not as_set(asked.senders, asked.receivers) & shown
        assert asked.labels.sum() * 2 == len(asked.labels)
    asked, given = make_task("gcn", "dot_product", Config(), cora).batches(0)(0)
    assert given[0] is cora.graph
    assert as_set(asked.senders[asked.labels == 1], asked.receivers[asked.labels == 1]) < shown
    assert not as_set(asked.senders[asked.labels == 0], asked.receivers[asked.labels == 0]) & shown


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["dot_product", "perceptron"])
def test_a_smoke_run_is_recorded(decoder, data_dir, tmp_path):
    root, file = data_dir("planetoid_cora").parent, tmp_path / "result.json"
    argv = ["--preset", "smoke", "--decoder", decoder, "--data-dir", str(root), "--run-dir", str(tmp_path)]
    run.main([*argv, "--json", str(file)])
    record = json.loads(file.read_text())
    assert record["config"]["decoder"] == decoder
    assert 0.5 < record["metrics"]["test_auc"]["mean"] <= 1.0
    assert (tmp_path / "smoke-gcn-cora-seed0" / "learning.png").exists()
