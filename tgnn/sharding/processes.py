"""One run on the devices of many processes: how they find each other, and what each of them holds.

Every process runs the same program and gives the same arrays to `place` and `place_batch`, which put on its devices
what is theirs.
"""

import os
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding

from tgnn.typing import Array

VARIABLES = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"


def join() -> None:
    """Joins the other processes of this run; to be called before anything is computed.

    They are found by what SLURM, Open MPI, Kubernetes or a TPU pod says to each of them, or by the variables
    JAX_COORDINATOR_ADDRESS (host:port of the first), JAX_NUM_PROCESSES and JAX_PROCESS_ID. A process to which nobody
    says anything is alone.

    Raises:
        ValueError: something was computed before; only some of the variables are set, or their numbers are none.
    """
    said = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    if said:
        missing = [name for name in VARIABLES if name not in said]
        numbers = [said.get(name, "0") for name in VARIABLES[1:]]
        if missing or not all(number.isdecimal() for number in numbers):
            raise ValueError(
                f"{', '.join(VARIABLES)} must all be set, the last two to numbers; got {said}; set or unset the others"
            )
        count, index = map(int, numbers)
        if not index < count:
            raise ValueError(f"JAX_PROCESS_ID is {index} of {count} processes; count them from 0")
        told = {"coordinator_address": said[VARIABLES[0]], "num_processes": count, "process_id": index}
    else:
        told = {}
    try:
        jax.distributed.initialize(**told)
    except ValueError as error:  # nobody says where the first process is
        if told or "coordinator_address" not in str(error):
            raise
    except RuntimeError as error:
        if "before any JAX calls" not in str(error):
            raise
        raise ValueError("join must come before anything is computed; call it first in the program") from None


def is_first() -> bool:
    """Whether this process writes what is written once."""
    return jax.process_index() == 0


def data_mesh(axis: str = "data") -> Mesh:
    """A mesh of one axis over all devices of all processes.

    >>> data_mesh().axis_names
    ('data',)
    """
    return jax.make_mesh((jax.device_count(),), (axis,), axis_types=(AxisType.Auto,))


def spread(x: Any, sharding: NamedSharding) -> Array:
    """An array of the host or of this process's devices on all devices of all processes."""
    if jax.dtypes.issubdtype(getattr(x, "dtype", np.float32), jax.dtypes.prng_key):
        return jax.random.wrap_key_data(spread(jax.random.key_data(x), sharding), impl=jax.random.key_impl(x))
    if jax.process_count() == 1:
        return jax.device_put(x, sharding)
    host = np.asarray(jax.numpy.asarray(x))  # of JAX's types
    return jax.make_array_from_callback(host.shape, sharding, lambda place: host[place])


def own_copy(tree: Any) -> Any:
    """What all devices hold alike as arrays of this process alone, so that it can compute without the others.

    Raises:
        ValueError: for an array of which each device holds another part.

    >>> everywhere = NamedSharding(data_mesh(), jax.sharding.PartitionSpec())
    >>> len(own_copy(spread(np.ones(3), everywhere)).devices())
    1
    """

    def own(x: Any) -> Any:
        if not isinstance(x, jax.Array):
            return x
        if not x.is_fully_replicated:
            raise ValueError(
                f"tree has an array of shape {x.shape} that is split over devices, {x.sharding}; place it without rules"
            )
        return x.addressable_data(0)

    return jax.tree.map(own, tree)
