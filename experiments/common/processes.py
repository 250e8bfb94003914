"""`--distributed`: the same command in every process of a run; the first one writes.

Their devices share each batch, or, where a run is many small ones, each process trains seeds of its own.
"""

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec

from tgnn import sharding
from tgnn.sharding import is_first as is_first
from tgnn.sharding.processes import spread

T = TypeVar("T")


def join() -> None:
    """Joins the others, and is silent unless it is the first; a ValueError where it is said how, but wrongly."""
    sharding.join()
    if sharding.is_first():
        print(f"{jax.process_count()} processes, {jax.device_count()} devices", flush=True)
    else:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")


@contextlib.contextmanager
def leaving() -> Iterator[None]:
    """A process that fails ends at once. JAX would wait five minutes for the others, which wait for it."""
    try:
        yield
    except BaseException as error:
        if jax.process_count() == 1:
            raise
        if not isinstance(error, SystemExit):
            traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1)


def share() -> tuple[int, int]:
    """The number of this process, and how many there are."""
    return jax.process_index(), jax.process_count()


def deal(items: Sequence[T], distributed: bool) -> Sequence[T]:
    """What this process takes of the items, in their order and as many as the others; all where it works alone."""
    number, count = share() if distributed else (0, 1)
    return items[number * len(items) // count : (number + 1) * len(items) // count]


def wait(name: str) -> None:
    """Until all processes are here: what the first has written is there for the others."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def gather(mine: Any) -> list[Any]:
    """What each process has, in their order; JSON alone."""
    if jax.process_count() == 1:
        return [mine]
    data = np.frombuffer(json.dumps(mine).encode(), np.uint8)
    sizes = np.asarray(multihost_utils.process_allgather(np.array(len(data), np.int32))).ravel()
    padded = np.zeros(sizes.max(), np.uint8)
    padded[: len(data)] = data
    rows = np.asarray(multihost_utils.process_allgather(padded)).reshape(len(sizes), -1)
    return [json.loads(row[:size].tobytes()) for row, size in zip(rows, sizes, strict=True)]


def sharing(step: Callable) -> Callable:
    """A step that is given whole batches, of which it deals the rows out to all devices, and a state on all of them.

    Arrays whose rows do not divide by the devices are copied to each: the numbers are the same, no work is saved.
    """
    mesh = sharding.data_mesh()

    def split(x: Any) -> jax.Array:
        divides = np.ndim(x) > 0 and np.shape(x)[0] > 0 and np.shape(x)[0] % mesh.size == 0
        return spread(x, NamedSharding(mesh, PartitionSpec("data" if divides else None)))

    def shared(state: Any, batch: Any):
        return step(state, jax.tree.map(split, batch))

    return shared
