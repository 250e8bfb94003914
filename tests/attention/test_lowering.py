"""Without hardware: every layout lowers for GPUs and TPUs, forward and gradient, and contains what it should.

This proves lowering only; what runs there is tested where a device is at hand.
"""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from jax import export

import tgnn
from tests.support.gpus import TRITON, hopper
from tests.support.layouts import DENSE, RECEIVERS, SENDERS, SIZES

HEADS, DIM = 4, 8
LAYOUTS = {
    "edges": tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, **SIZES),
    "neighbors": tgnn.Neighbors.from_edges(SENDERS, RECEIVERS, **SIZES),
    "blocks": tgnn.Blocks.from_edges(SENDERS, RECEIVERS, 4, **SIZES),
    "row windows": tgnn.RowWindows.from_edges(SENDERS, RECEIVERS, 4, **SIZES),
    "dense": tgnn.Dense(jnp.asarray(DENSE)),
    "complete": tgnn.Complete(256),
    "causal": tgnn.Causal(256, offset=jnp.asarray(0)),
    "window": tgnn.Window(256, 16, 5, dilation=2),
    "prefix": tgnn.Prefix(64, 5),
}
CONTRACTIONS = "dense", "complete", "causal", "window", "prefix"


def lowered(layout, platform: str, implementation: str | None = None, **options) -> str:
    """The program of output and gradients on another platform, with the layout as an argument."""
    shapes = (
        jax.ShapeDtypeStruct((n, heads, DIM), jnp.float32)
        for n, heads in ((layout.n_receivers, HEADS), (layout.n_senders, 2), (layout.n_senders, 2))
    )

    def both(layout, *nodes):
        run = partial(tgnn.attend, layout, implementation=implementation, **options)
        output, pull = jax.vjp(run, *nodes)
        return output, pull(output)

    kernels = [export.DisabledSafetyCheck.custom_call(TRITON)]  # it is read here, not kept
    with hopper():
        return export.export(jax.jit(both), platforms=[platform], disabled_checks=kernels)(
            layout, *shapes
        ).mlir_module()


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_what_a_device_would_choose_lowers_with_gradients(name, platform, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: {"cuda": "gpu"}.get(platform, platform))
    text = lowered(LAYOUTS[name], platform)
    assert "stablehlo" in text
    if name in CONTRACTIONS:
        assert not any(word in text for word in ("stablehlo.scatter", "stablehlo.gather"))


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("name", [name for name, layout in LAYOUTS.items() if layout.form not in ("table", "chunks")])
def test_fused_executions_lower_with_gradients(name, platform):
    text = lowered(LAYOUTS[name], platform, "fused")
    assert "stablehlo.while" in text or name in ("dense", "complete", "causal")
    if name in CONTRACTIONS:
        assert not any(word in text for word in ("stablehlo.scatter", "stablehlo.gather"))


@pytest.mark.slow
def test_scores_with_parameters_lower_too():
    score = tgnn.Additive(jnp.ones((HEADS, DIM)), jnp.ones((HEADS, DIM)))
    for platform in ("cuda", "tpu"):
        assert "stablehlo" in lowered(LAYOUTS["edges"], platform, "fused", score=score)
