"""A run that is killed twice, once in a save, ends with the bits of an undisturbed one; see `make kills`."""

import random
import signal

import pytest

from tests.kills.kill import kill_often, undisturbed


@pytest.mark.slow
def test_a_run_that_carries_a_state_survives_two_kills(tmp_path, data_dir):
    data_dir("tinyshakespeare")
    expected = undisturbed("language", tmp_path / "whole")
    kills = [(signal.SIGKILL, True), (signal.SIGTERM, False)]
    met = kill_often("language", tmp_path / "killed", kills, expected, random.Random(0), print)
    assert met >= 1  # a fast machine may be done before the second
