"""Batches made ahead: in order, no more than asked for, with their errors."""

import threading

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
