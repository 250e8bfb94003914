"""The next batches are made while the device works on this one: in threads, or in processes of their own."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tgnn.errors import check_size

Item = TypeVar("Item")


def prefetch(
    make: Callable[[int], Item], steps: Iterable[int], *, ahead: int = 2, workers: int = 1, processes: int = 0
) -> Generator[Item, None, None]:
    """`make(step)` for each step, in order, made up to `ahead` steps early.

    NumPy and JAX let go of Python's lock where they work, so that threads are enough for most batches. What holds it,
    such as the union of many small graphs, is made in processes, by grain (`pip install grain`). Either way the batches
    are the same. An error of `make` is raised at its step; an iterator that is closed early makes nothing more.

    Args:
        make: a function of the step alone, such as a sampler with its `step`. In a thread it may put arrays on the
            device; for processes it is pickled, and returns NumPy arrays.
        steps: numbers of the steps: `range(resumed, last)`.
        ahead: how many batches wait at most, 1 or more; for processes in each of them.
        workers: threads.
        processes: if above 0, that many processes instead of threads. They are started anew, and import the script
            that is run: it needs its `if __name__ == "__main__":`.

    Raises:
        ValueError: for numbers below these.
        ModuleNotFoundError: for processes without grain.

    >>> list(prefetch(lambda step: step**2, range(4)))
    [0, 1, 4, 9]
    """
    ahead, workers = check_size("ahead", ahead, 1), check_size("workers", workers, 1)
    if check_size("processes", processes):
        return _in_processes(make, list(steps), ahead, processes)
    return _in_threads(make, steps, ahead, workers)


def _in_threads(make, steps, ahead, workers):
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


def _in_processes(make, steps, ahead, processes):
    try:
        import grain
        from absl import flags
    except ImportError:
        raise ModuleNotFoundError("processes need grain; pip install grain, or leave them out for threads") from None
    if not flags.FLAGS.is_parsed():  # grain reads its flags, which only programs of absl parse
        flags.FLAGS.mark_as_parsed()
    dataset = grain.MapDataset.source(steps).map(make)
    one = grain.ReadOptions(num_threads=1, prefetch_buffer_size=1)
    options = grain.MultiprocessingOptions(num_workers=processes, per_worker_buffer_size=ahead)
    return (item for item in dataset.to_iter_dataset(one).mp_prefetch(options))
