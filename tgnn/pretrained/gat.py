"""GAT as a network that others trained: the authors' weights for Cora, or those of `tgnn.models.init_gat`.

Reference: Veličković et al., Graph Attention Networks, arXiv:1710.10903.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.analysis.reading import attention_of
from tgnn.compiled import compiled
from tgnn.datasets import gat_cora
from tgnn.models.layers import layout_of
from tgnn.models.message_passing.gat import gat_layer
from tgnn.nn.per_head import remaining, take
from tgnn.pretrained.layouts import Layers, layouts_of_layers
from tgnn.pretrained.surgery import Gates, Heads, each_layer, heads_of_layers, with_gate
from tgnn.typing import Array, Graph, Params


@dataclass(frozen=True)
class Gat:
    """What it does, without its numbers; hashable. `Gat()` is the model of what `tgnn.models.init_gat` made."""

    def __call__(
        self,
        params: list[Params],
        graph: Graph,
        x: Array,
        *,
        layout: Layers = None,
        gates: Gates | None = None,
        implementation: str | None = None,
    ) -> Array:
        """The network's outputs for every node; as `tgnn.models.gat`, on edges that differ from layer to layer.

        Args:
            params: what `load` or `tgnn.models.init_gat` gave, for edges without features.
            graph: edges between the nodes, with self-loops.
            x: `[n, features]`, or a `tgnn.SparseFeatures`.
            layout: edges in place of the graph's, see `Model`; None is the graph.
            gates: numbers that multiply the outputs of heads; see `Model`.
            implementation: see `tgnn.attend`.

        Returns:
            `[n, outputs]`.

        Raises:
            ValueError: for layers and heads that do not exist, and as `tgnn.models.gat`.
        """
        params = params if gates is None else self.with_gates(params, gates)[0]
        return run_layers(params, self.layouts(params, graph, x, layout), x, implementation)

    def layouts(self, params: list[Params], graph: Graph, x: Array, layout: Layers) -> tuple[Any, ...]:
        """The graph of each layer."""
        own = layout_of(graph, x)
        found = layouts_of_layers(layout, len(params), (own.n_receivers, own.n_senders), 1)
        return tuple(fill(graph, own) for graph in found)

    def attention(self, params: list[Params], graph: Graph, x: Array, *, layer: int, layout: Layers = None) -> Array:
        """The weights of one layer: `[*edge_shape, heads]` in the caller's order of its edges."""
        before = self.layouts(params, graph, x, layout)
        if layer not in range(len(params)):
            raise ValueError(f"layer is {layer} but there are {len(params)}; choose 0 ... {len(params) - 1}")
        return run_weights(params[: layer + 1], before[: layer + 1], x)

    def all_gates(self, params: list[Params]) -> tuple[Array, ...]:
        """Open gates: ones `[heads]` for each layer."""
        return tuple(jnp.ones(len(layer["sender_vector"])) for layer in params)

    def with_gates(self, params: list[Params], gates: Gates) -> tuple[list[Params], "Gat"]:
        """The network with gates in its parameters; see `tgnn.pretrained.with_gates`."""
        each = zip(params, each_layer(gates, len(params)), strict=True)
        return [x if gate is None else with_gate(x, gate, len(x["sender_vector"])) for x, gate in each], self

    def without_heads(self, params: list[Params], heads: Heads) -> tuple[list[Params], "Gat"]:
        """The network with smaller weights; see `tgnn.pretrained.remove_heads`."""
        found = list(params)
        for i, gone in enumerate(heads_of_layers(heads, len(params))):
            count = len(params[i]["sender_vector"])
            kept = remaining(count, gone)
            if not kept:
                raise ValueError(f"layer {i} would lose all of its {count} heads; a GAT reads nothing else, keep one")
            if gone:
                dim, averaged = params[i]["sender_vector"].shape[1], params[i]["bias"].ndim == 1
                found[i] = keep_heads(found[i], kept, len(kept) / count if averaged else 1.0)
                if not averaged:  # the next layer reads their features one after the other
                    rows = [head * dim + j for head in kept for j in range(dim)]
                    next_map = found[i + 1]["linear"]
                    shorter = next_map | {"kernel": take(next_map["kernel"], rows, 0)}
                    found[i + 1] = found[i + 1] | {"linear": shorter}
        return found, self


def fill(layout: Any, own: Any) -> Any:
    """The graph of a layer, with the network's own where none is given."""
    return own if layout is None else layout.map(lambda x: fill(x, own)) if hasattr(layout, "groups") else layout


def keep_heads(params: Params, kept: list[int], share: float) -> Params:
    """A layer with some of its heads. A mean over fewer heads is larger, so their values shrink by `share`."""
    kernel = take(params["linear"]["kernel"], kept, -2) * share  # scores do not change: their vectors grow
    vectors = {name: take(params[name], kept, 0) / share for name in ("receiver_vector", "sender_vector")}
    parts = {name: take(params[name], kept, 0) for name in ("score_bias", "gate") if name in params}
    bias = params["bias"] if params["bias"].ndim == 1 else take(params["bias"], kept, 0)
    return params | vectors | parts | {"linear": params["linear"] | {"kernel": kernel}, "bias": bias}


@compiled
def run_layers(params: list[Params], layouts: tuple[Any, ...], x: Array, implementation: str | None) -> Array:
    """The equations: ELU between the layers."""
    for i, (layer, layout) in enumerate(zip(params, layouts, strict=True)):
        x = gat_layer(layer, layout, jax.nn.elu(x) if i else x, {"implementation": implementation})
    return x


@compiled
def run_weights(params: list[Params], layouts: tuple[Any, ...], x: Array) -> Array:
    """The weights of the last of some layers."""
    return attention_of(run_layers, params, layouts, x, None)[-1].weights


def read_gat(folder: Path, dtype: Any) -> tuple[list[Params], Gat]:
    """The weights that the authors trained on Cora, as those of this library's layers."""
    first, last = gat_cora.load(folder)
    return [read_layer(first, dtype, mean=False), read_layer(last, dtype, mean=True)], Gat()


def read_layer(layer: gat_cora.GatLayer, dtype: Any, *, mean: bool) -> Params:
    """One layer; the last one averages its heads, of which it has one."""
    return {
        "linear": {"kernel": jnp.asarray(layer.kernel.transpose(1, 0, 2), dtype)},
        "receiver_vector": jnp.asarray(layer.receiver, dtype),
        "sender_vector": jnp.asarray(layer.sender, dtype),
        "score_bias": jnp.asarray(layer.receiver_bias + layer.sender_bias, dtype),
        "bias": jnp.asarray(layer.bias.mean(0) if mean else layer.bias, dtype),
    }
