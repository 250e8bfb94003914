"""Batches made ahead: in order, no more than asked for, with their errors."""

import os
import sys
import threading

import numpy as np
import pytest

from tgnn.sampling import prefetch


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_come_in_order(workers):
    assert list(prefetch(lambda step: -step, range(3, 20), ahead=4, workers=workers)) == [-i for i in range(3, 20)]
    assert list(prefetch(lambda step: step, [])) == []


def test_they_are_made_in_another_thread_while_the_first_is_used():
    made, third = [], threading.Event()

    def make(step):
        made.append((step, threading.current_thread().name))
        if step == 2:
            third.set()
        return step

    batches = prefetch(make, range(10), ahead=2)
    assert next(batches) == 0
    assert third.wait(5)
    batches.close()
    assert [step for step, _ in made] == [0, 1, 2]
    assert all(name.startswith("prefetch") for _, name in made)


def test_an_error_is_raised_at_its_step():
    def make(step):
        if step == 2:
            raise ValueError("step 2 has no seeds")
        return step

    batches = prefetch(make, range(5))
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(ValueError, match="step 2 has no seeds"):
        next(batches)


def test_numbers_of_threads_are_checked_at_once():
    for options in ({"ahead": 0}, {"workers": 0}):
        with pytest.raises(ValueError, match="must be an integer of at least 1"):
            prefetch(lambda step: step, range(3), **options)


def draw(step):
    """A batch as a sampler makes it, and the process that made it."""
    return np.random.default_rng(step).integers(0, 99, 4), os.getpid()


@pytest.mark.slow
def test_processes_make_the_batches_that_threads_make():
    pytest.importorskip("grain")
    made = list(prefetch(draw, range(3, 9), processes=2))
    for (batch, process), step in zip(made, range(3, 9), strict=True):
        np.testing.assert_array_equal(batch, draw(step)[0])
        assert process != os.getpid()
    assert len({process for _, process in made}) == 2


def test_processes_need_grain(monkeypatch):
    monkeypatch.setitem(sys.modules, "grain", None)
    with pytest.raises(ModuleNotFoundError, match="pip install grain"):
        prefetch(draw, range(3), processes=1)
    with pytest.raises(ValueError, match="processes"):
        prefetch(draw, range(3), processes=-1)
