"""The next batches are made while the device works on this one."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tgnn.errors import check_size

Item = TypeVar("Item")


def prefetch(make: Callable[[int], Item], steps: Iterable[int], *, ahead: int = 2, workers: int = 1) -> Iterator[Item]:
    """`make(step)` for each step, in order, made up to `ahead` steps early in threads.

    NumPy and JAX let go of Python's lock where they work, so that threads are enough. An error of `make` is raised at
    its step; an iterator that is closed early makes nothing more.

    Args:
        make: a function of the step alone, such as a sampler with its `step`; it may put arrays on the device.
        steps: numbers of the steps: `range(resumed, last)`.
        ahead: how many batches wait at most, 1 or more.
        workers: threads.

    >>> list(prefetch(lambda step: step**2, range(4)))
    [0, 1, 4, 9]
    """
    ahead, workers = check_size("ahead", ahead, 1), check_size("workers", workers, 1)
    return _prefetch(make, steps, ahead, workers)


def _prefetch(make, steps, ahead, workers):
    pool, waiting = ThreadPoolExecutor(workers, thread_name_prefix="prefetch"), deque()
    try:
        for step in steps:
            waiting.append(pool.submit(make, step))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
