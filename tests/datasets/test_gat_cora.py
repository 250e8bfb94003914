"""The published weights of GAT."""

import numpy as np
import pytest

from tgnn.datasets import gat_cora


def test_gat_weights(data_dir, tmp_path):
    folder = data_dir("gat_cora_pretrained")
    first, second = gat_cora.load(folder)
    assert first.kernel.shape == (8, 1433, 8) and second.kernel.shape == (1, 64, 7)
    np.testing.assert_array_equal(first.kernel, gat_cora.load(data_dir=folder.parent)[0].kernel)
    with pytest.raises(FileNotFoundError, match="gat_cora_weights.npz does not exist; pass the folder"):
        gat_cora.load(tmp_path)
    np.savez(tmp_path / "gat_cora_weights.npz", **{"layer1/kernel": np.zeros((8, 1433, 7))})
    with pytest.raises(ValueError, match=r"layer1/kernel of shape \(8, 1433, 7\), expected \(8, 1433, 8\)"):
        gat_cora.load(tmp_path)
    weights = dict(np.load(folder / "gat_cora_weights.npz"))
    np.savez(tmp_path / "gat_cora_weights.npz", **(weights | {"layer2/bias": np.full((1, 7), np.nan)}))
    with pytest.raises(ValueError, match="has layer2/bias.*expected finite numbers"):
        gat_cora.load(tmp_path)
