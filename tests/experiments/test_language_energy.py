"""The picture of loss against energy."""

import json

import pytest

from experiments.common import results
from experiments.language import energy


def write(folder, model, seconds, bits):
    metrics = {"processor_seconds_per_step": [seconds] * 2, "test_bits": [bits - 0.1, bits + 0.1]}
    record = results.describe("language", {"model": model, "num_steps": 360}, metrics, 1.0)
    (folder / f"rank-{model}.json").write_text(json.dumps(record))


def test_models_that_none_beats_in_both_are_told_with_their_energy(tmp_path, capsys):
    for model, seconds, bits in (("cheap", 0.1, 4.0), ("worse", 0.2, 4.5), ("best", 0.4, 2.0)):
        write(tmp_path, model, seconds, bits)
    energy.main(["--results", str(tmp_path), "--figure", str(tmp_path / "energy.png")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["cheap", "best", "results"]
    assert lines[1] == f"best: 2.000 ± 0.141 bits for {0.4 * 360 * results.WATTS / 3600:.3f} Wh"
    assert (tmp_path / "energy.png").stat().st_size > 1000


def test_a_folder_without_results_is_a_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit):
        energy.main(["--results", str(tmp_path), "--figure", str(tmp_path / "energy.png")])
    assert "run experiments.language.rank" in capsys.readouterr().err
