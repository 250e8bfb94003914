"""Weights of PyTorch Geometric's layers as parameters of the models here, which then give the same values.

Where conventions differ:

* a linear map is stored as `[out, in]` there and as `[in, out]` here, with heads as axes: `[in, heads, head_dim]`;
* self-loops are added by GCNConv, GATConv and GATv2Conv there, and by the caller with `tgnn.self_loops` here;
* `lin_l`, `lin_src` and `lin_rel` belong to the sender there, which is `"sender"`, `"neighbors"` or `"value"` here, and
  `lin_r`, `lin_dst` and `lin_root` to the receiver: `"receiver"` or `"self"`; ResGatedGraphConv's key is that of the
  receiver;
* x of a bipartite graph is a pair `(x_senders, x_receivers)` in both, and so is the first of the sizes;
* GATConv's features of edges go through a map and a vector there, through their product here;
* GMMConv takes coordinates as they are, like our `monet` without `"coordinates"`, and means over neighbours by default:
  `reduction="mean"`; its `root_weight` has no counterpart.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.adapters.relations import to_numpy
from tgnn.typing import Params


def _linear(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}.kernel": f"{theirs}.weight", f"{ours}.bias": f"{theirs}.bias"}


OF_PAIRS = {"lin.weight": "lin_src.weight"}  # GATConv's name where the two sets of nodes have maps of their own
EDGE_PRODUCT = "lin_edge.weight * att_edge"
_SAGE = {"self.kernel": "lin_r.weight", "self.bias": "lin_l.bias", "neighbors.kernel": "lin_l.weight"}
# Their name of each of our leaves.
NAMES: dict[str, dict[str, str]] = {
    "gcn": {"kernel": "lin.weight", "bias": "bias"},
    "gat": {
        "linear.kernel": "lin.weight",
        "receiver.kernel": "lin_dst.weight",
        "receiver_vector": "att_dst",
        "sender_vector": "att_src",
        "bias": "bias",
        "edge.kernel": EDGE_PRODUCT,
    },
    "gatv2": _linear("receiver", "lin_r")
    | _linear("sender", "lin_l")
    | {"vector": "att", "bias": "bias", "edge.kernel": "lin_edge.weight"},
    "transformer_conv": _linear("query", "lin_query")
    | _linear("key", "lin_key")
    | _linear("value", "lin_value")
    | _linear("skip", "lin_skip")
    | {"edge.kernel": "lin_edge.weight"},
    "basic_gnn": {"self.kernel": "lin_root.weight", "self.bias": "lin_rel.bias", "neighbors.kernel": "lin_rel.weight"},
    "graph_sage": _SAGE | _linear("pool", "lin"),
    "gin": {"epsilon": "eps"} | _linear("mlp.0", "nn.0") | _linear("mlp.1", "nn.2"),
    "monet": {"linear.kernel": "g", "mean": "mu", "width": "sigma", "bias": "bias"},
    "gated_gcn": {"self.kernel": "lin_skip.weight", "self.bias": "bias"}
    | _linear("receiver", "lin_key")
    | _linear("sender", "lin_query")
    | _linear("value", "lin_value"),
}


def from_pyg(model: str, layers: Sequence[Mapping[str, Any]], like: Sequence[Params]) -> list[Params]:
    """Parameters of `tgnn.models.MODEL` from the weights of as many of PyG's layers.

    Args:
        model: one of `NAMES`: gcn (GCNConv), gat (GATConv), gatv2 (GATv2Conv), transformer_conv (TransformerConv),
            basic_gnn (GraphConv), graph_sage (SAGEConv), gin (GINConv over Linear, ReLU, Linear), monet (GMMConv),
            gated_gcn (ResGatedGraphConv).
        layers: `conv.state_dict()` of each layer, or any arrays under those names.
        like: what the model's init gives for the same sizes and heads; its numbers do not matter. That of monet without
            `"coordinates"`, which GMMConv does not have.

    Returns:
        Parameters shaped like `like`.

    Raises:
        ValueError: for another model or number of layers, or a weight that is missing, left over or of another shape.
            TransformerConv's weights do not tell their heads, and those of other heads are not noticed.

    >>> from tgnn.models import init_gcn
    >>> layer = {"lin.weight": np.array([[1.0, 2.0, 3.0]]), "bias": np.array([4.0])}
    >>> from_pyg("gcn", [layer], init_gcn(jax.random.key(0), (3, 1)))[0]["kernel"].tolist()
    [[1.0], [2.0], [3.0]]
    """
    if model not in NAMES:
        raise ValueError(f"model must be one of {', '.join(NAMES)}, got {model!r}")
    if len(layers) != len(like):
        raise ValueError(f"layers has {len(layers)} layers, but like has {len(like)}; initialise it with those sizes")
    return [_convert(f"layers[{i}]", NAMES[model], *pair) for i, pair in enumerate(zip(layers, like, strict=True))]


def _convert(where: str, names: Mapping[str, str], weights: Mapping[str, Any], like: Params) -> Params:
    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    paths = [".".join(str(getattr(key, "key", getattr(key, "idx", key))) for key in path) for path, _ in leaves]
    if unknown := [path for path in paths if path not in names]:
        raise ValueError(f"like has {unknown}, which no layer of theirs has; leave them out of like")
    wanted = [names[path] for path in paths]
    wanted = [OF_PAIRS[w] if OF_PAIRS.get(w) in weights else w for w in wanted]
    found, needed = set(weights), {part for theirs in wanted for part in theirs.split(" * ")}
    if found != needed:
        raise ValueError(
            f"{where} lacks {sorted(needed - found)} and has {sorted(found - needed)} beside; use a layer of theirs "
            "with the same parts (bias, heads, features of edges) as ours"
        )
    return structure.unflatten(
        [_leaf(f"{where}[{w!r}]", weights, w, x) for w, (_, x) in zip(wanted, leaves, strict=True)]
    )


def _leaf(where: str, weights: Mapping[str, Any], theirs: str, leaf: Any) -> Any:
    if theirs == EDGE_PRODUCT:
        vector, kernel = (to_numpy(weights[part]) for part in ("att_edge", "lin_edge.weight"))
        heads, dim = vector.shape[-2:]
        array = (kernel.reshape(heads, dim, -1) * vector.reshape(heads, dim, 1)).sum(1).T
    else:
        array = to_numpy(weights[theirs])
        array = array.T if theirs.endswith("weight") else array
    if not splits(array.shape, leaf.shape):
        raise ValueError(f"{where} has shape {array.shape}, expected {leaf.shape}; initialise like with their sizes")
    return jnp.asarray(array, leaf.dtype).reshape(leaf.shape)


def splits(theirs: Sequence[int], ours: Sequence[int]) -> bool:
    """Whether axes of one shape only have to be split, such as that of all features into heads, to give the other.

    >>> splits((7, 10), (7, 2, 5)), splits((1, 2, 5), (2, 5)), splits((1, 2, 5), (5, 2)), splits((6, 4), (4, 6))
    (True, True, False, False)
    """
    ends, finer = (np.cumprod([1, *shape], dtype=np.int64) for shape in (theirs, ours))
    return bool(ends[-1] == finer[-1] and np.isin(ends, finer).all())
