"""Programs for NVIDIA GPUs, lowered without one."""

import contextlib

import jax
import pytest

import tgnn
from tgnn.attention.fused import runs

TRITON = "__gpu$xla.gpu.triton"


def lower_for_gpus(layout, nodes, **options) -> str:
    """The program of output and gradients of `attend`."""

    def both(layout, *nodes):
        output, pull = jax.vjp(lambda *nodes: tgnn.attend(layout, *nodes, **options), *nodes)
        return output, pull(output)

    with hopper(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "INTERPRET", False)
        jax.clear_caches()  # what was traced to be interpreted
        return jax.jit(both).trace(layout, *nodes).lower(lowering_platforms=("cuda",)).as_text()


def hopper():
    """Versions of JAX that ask which GPU a kernel is for are told."""
    if jax.__version_info__ < (0, 11):
        return contextlib.nullcontext()
    device = jax.sharding.AbstractDevice("NVIDIA H100 80GB HBM3", num_cores=132, platform="gpu")
    auto = (jax.sharding.AxisType.Auto,)
    return jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((1,), ("x",), auto, abstract_device=device))


def kernels_in(text: str) -> int:
    """How often a program calls one of ours."""
    return text.count(f"@{TRITON}")
