"""Two processes that train together: one checkpoint of both, and one step at which both stop."""

import os
import socket
import subprocess
import sys

import pytest

TOGETHER = """
import os, signal, sys, time
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from tgnn.train import checkpoint
from tgnn.train.interrupts import Interrupts
run, port, index = sys.argv[1], sys.argv[2], int(sys.argv[3])
jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=index)
mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
rows = NamedSharding(mesh, P("data"))
whole = np.arange(12.0).reshape(4, 3)
tree = {"rows": jax.make_array_from_callback(whole.shape, rows, lambda place: whole[place])}
empty = {"rows": jax.ShapeDtypeStruct(whole.shape, jnp.float32, sharding=rows)}
for step in (1, 2):
    checkpoint.save(run, step, tree, keep=1, score=float(step))
got, step = checkpoint.restore(run, empty)
for shard in got["rows"].addressable_shards:
    np.testing.assert_array_equal(shard.data, whole[shard.index])
assert step == 2 and len(got["rows"].addressable_shards) == 1
with Interrupts() as interrupts:
    try:
        for step in range(600):
            if step == 3 and index == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
            interrupts.check(step)
        print("never stopped")
    except KeyboardInterrupt:
        print("stopped at", step)
jax.distributed.shutdown()
"""


@pytest.mark.slow
def test_two_processes_write_one_checkpoint_and_stop_at_one_step_whichever_is_told_to(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "XLA_FLAGS": "", "JAX_PLATFORMS": "cpu"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TOGETHER, str(tmp_path), port, str(index)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    try:
        said = [process.communicate(timeout=400) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], said[0][1][-2000:] + said[1][1][-2000:]
    first, second = (output.splitlines()[-1] for output, _ in said)
    assert first == second and first.startswith("stopped at")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "2"]
