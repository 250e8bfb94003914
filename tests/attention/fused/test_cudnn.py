"""cuDNN without a GPU: which calls go there, and that they lower for CUDA, forward and gradient."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from jax import export

import tgnn
from tests.support.cases import call_of
from tgnn.attention.fused import cudnn
from tgnn.attention.fused.executions import choose

SHAPE = jax.ShapeDtypeStruct((64, 4, 32), jnp.bfloat16)
CALLS = "__cudnn$fmhaSoftmax", "__cudnn$fmhaSoftmaxBackward"


@pytest.fixture
def pretend_gpu(monkeypatch):
    """A machine with a Hopper GPU and cuDNN 9.10, as far as tracing and lowering can tell."""
    from jax._src.cudnn import fused_attention_stablehlo as kernels

    monkeypatch.setattr(cudnn, "on_gpu", lambda: True)
    monkeypatch.setattr(kernels, "check_cudnn_version", lambda: 91000)
    monkeypatch.setattr(kernels, "check_compute_capability", lambda capability: True)
    monkeypatch.setattr(kernels, "is_cuda_compute_capability_equal", lambda capability: False)


@pytest.mark.parametrize("layout", [tgnn.Complete(64), tgnn.Causal(64)], ids=["complete", "causal"])
def test_lowers_for_cuda_with_gradient(layout, pretend_gpu):
    """An argument like the nodes: its offset of 0 is known all the same."""

    def both(layout, *nodes):
        output, pull = jax.vjp(partial(tgnn.attend, layout), *nodes)  # what implementation=None chooses on a GPU
        return output, pull(output)

    checks = [export.DisabledSafetyCheck.custom_call(name) for name in CALLS]
    exported = export.export(jax.jit(both), platforms=["cuda"], disabled_checks=checks)(layout, SHAPE, SHAPE, SHAPE)
    text = exported.mlir_module()
    assert all(f"@{name}" in text for name in CALLS)
    assert ("CAUSAL" in text) == isinstance(layout, tgnn.Causal)
    assert not any(word in text for word in ("stablehlo.scatter", "stablehlo.gather"))


def fits(layout, shape=(64, 4, 32), dtype=jnp.bfloat16, bias=None, score=tgnn.dot_product):
    nodes = jnp.zeros((layout.n_receivers, *shape[1:]), dtype), *[jnp.zeros((layout.n_senders, *shape[1:]), dtype)] * 2
    return isinstance(choose(call_of(layout, *nodes, score=score, bias=bias)), cudnn.CuDNN)


def test_only_what_cudnn_computes_exactly_goes_there(pretend_gpu):
    assert fits(tgnn.Complete(64, 32))
    assert not fits(tgnn.Causal(64, 32))  # its diagonal would be elsewhere
    assert not fits(tgnn.Causal(64, offset=-1))  # rows without edges
    assert not fits(tgnn.Causal(64, offset=jnp.asarray(0)))
    assert not fits(tgnn.Complete(64).with_segments(jnp.zeros(64, int)))
    assert not fits(tgnn.Dense(jnp.ones((64, 64), bool)))
    assert not fits(tgnn.Complete(64), dtype=jnp.float32)
    assert not fits(tgnn.Complete(64), shape=(64, 4, 30))
    assert not fits(tgnn.Complete(64), shape=(64, 4, 256))
    assert not fits(tgnn.Complete(64), bias=jnp.zeros((64, 64, 4)))
    assert not fits(tgnn.Complete(64), score=tgnn.Additive(jnp.zeros((4, 32)), jnp.zeros((4, 32))))


def test_nothing_goes_there_without_a_gpu():
    if jax.default_backend() == "gpu":
        pytest.skip("there is a GPU")
    assert not fits(tgnn.Complete(64))
