import json
import os

import jax.numpy as jnp
import numpy as np
import pytest

from tgnn.train.metrics_log import MetricsLog, read_metrics


def test_metrics_are_strict_json_and_a_bad_line_is_a_clear_error(tmp_path):
    path = tmp_path / "new" / "metrics.jsonl"
    with MetricsLog(path, 0) as log:
        log.write(1, {"loss": jnp.nan, "count": np.int32(3), "half": jnp.bfloat16(0.5), "name": "x"})
    record = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert (record["loss"], record["count"], record["half"], record["name"]) == (None, 3, 0.5, "x")
    path.write_text("not a record\n")
    with pytest.raises(ValueError, match="line 1 is not a record"):
        MetricsLog(path, 0)


def test_the_records_of_another_run_are_put_aside_and_not_overwritten(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for loss in [1.0, 2.0, 3.0]:
        with MetricsLog(path, 0) as log:
            log.write(jnp.int32(10), {"loss": loss})
    assert [read_metrics(p)[0]["loss"] for p in sorted(tmp_path.iterdir())] == [3.0, 1.0, 2.0]


@pytest.mark.parametrize("step", [1.0, True, "1"])
def test_a_record_has_an_integer_step(tmp_path, step):
    with MetricsLog(tmp_path / "metrics.jsonl", 0) as log, pytest.raises(ValueError, match="step must be an integer"):
        log.write(step, {})


def test_a_full_disk_is_one_sentence(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl", 0)
    log.close()
    log._file = open("/dev/full", "a")  # closed by `log.close`, which fails in silence like the disk it stands for
    with pytest.raises(OSError, match="/dev/full cannot be written .No space left on device.; free space"):
        log.write(1, {"loss": 0.5})
    log.close()


def test_what_is_no_file_is_refused_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in [pipe, tmp_path]:
        with pytest.raises(ValueError, match="path must be a file or not exist yet"):
            MetricsLog(path, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"] and pipe.is_fifo()
