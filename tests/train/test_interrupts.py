"""Ctrl-C and SIGTERM: held back until a step is done, then saved."""

import os
import re
import signal
import threading

import pytest

from tests.support.training import STEP, assert_same_state, batch_at, new_state
from tgnn.train import checkpoint
from tgnn.train.interrupts import Interrupts, terminate
from tgnn.training import fit


@pytest.fixture(autouse=True)
def usual_handlers():
    """As a fresh process has them, whatever runs the tests."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_the_step_and_handlers_are_put_back(number, caplog):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        interrupts.check(1)
        signal.raise_signal(number)
        reached = True  # in the middle of a step
        interrupts.check(2)
    assert reached and "stopping after this step" in caplog.text and signal.getsignal(number) is before


def test_the_second_ctrl_c_interrupts_at_once_and_more_of_sigterm_do_not_disturb_the_save():
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check(1)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with Interrupts():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_callers_own_handlers_stay_and_other_threads_have_none():
    calls = []
    signal.signal(signal.SIGTERM, lambda *_: calls.append("mine"))
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGTERM)
        interrupts.check(1)
    assert calls == ["mine"]

    def in_thread():
        with Interrupts() as interrupts:
            interrupts.check(1)
            calls.append("thread")

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert calls == ["mine", "thread"]


def test_the_handler_that_lets_others_save_gives_way_to_a_step():
    signal.signal(signal.SIGTERM, terminate)
    with pytest.raises(KeyboardInterrupt, match="terminated"):
        signal.raise_signal(signal.SIGTERM)
    with Interrupts():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is terminate


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_stop_saves_the_step_and_says_how_to_go_on(tmp_path, number):
    def told(step):
        if step == 3:
            os.kill(os.getpid(), number)
        return batch_at(step)

    words = re.escape(f"stopped before the end; {tmp_path} holds step 4; go on with resume=True")
    with pytest.raises(KeyboardInterrupt, match=words):
        fit(new_state(), STEP, told, num_steps=8, run_dir=tmp_path)
    assert checkpoint.latest_step(tmp_path / "checkpoints") == 4
    resumed = fit(new_state(), STEP, batch_at, num_steps=8, run_dir=tmp_path, resume=True)
    assert_same_state(resumed, fit(new_state(), STEP, batch_at, num_steps=8))
