"""What an accelerator computes by the executions that are chosen there, beside the definition on a CPU."""

import jax
import numpy as np
import pytest

import tgnn
from tests.support.cases import CASES, call_of, inputs, value_and_gradients
from tests.support.layouts import LAYOUTS
from tgnn.compiled import platform

QUICK = [("edges padded", case) for case in CASES]
QUICK += [(name, "per edge") for name in LAYOUTS if name != "edges padded"]


@pytest.mark.skipif(jax.default_backend() == "cpu", reason="there is no accelerator")
@pytest.mark.parametrize(("name", "case"), QUICK)
def test_an_accelerator_computes_what_a_cpu_does(name, case):
    layout = LAYOUTS[name]
    with jax.default_matmul_precision("highest"):
        found = value_and_gradients(layout, case, None)
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            expected = value_and_gradients(layout, case, "definition")
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        if a.dtype != jax.dtypes.float0:
            np.testing.assert_allclose(b, a, rtol=2e-4, atol=2e-5)


def test_the_platform_is_that_of_the_operands():
    cpu = jax.local_devices(backend="cpu")[0]
    assert platform() == jax.default_backend()
    assert platform([jax.device_put(np.ones(2), cpu)]) == "cpu"
    with jax.default_device(cpu):
        assert platform() == platform([np.ones(2)]) == "cpu"
    with jax.default_device("cpu"):
        assert platform() == "cpu"


@pytest.mark.skipif(jax.default_backend() == "cpu", reason="there is no accelerator")
def test_work_on_the_cpu_of_a_machine_with_an_accelerator():
    cpu = jax.local_devices(backend="cpu")[0]
    layout, *nodes = jax.device_put((LAYOUTS["edges padded"], *inputs(LAYOUTS["edges padded"])), cpu)
    found = tgnn.attend(layout, *nodes)
    assert found.devices() == {cpu}
    assert call_of(layout, *nodes).query.devices() == {cpu}
