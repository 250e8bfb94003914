"""tgnn: Transformers are graph neural networks. One function, `attend`, on every graph."""

from typing import Any

from tgnn import moved as _moved  # noqa: F401
from tgnn import patterns as patterns
from tgnn import recurrent as recurrent
from tgnn.attention.aggregation import aggregate as aggregate
from tgnn.attention.api import attend as attend
from tgnn.attention.api import attention_weights as attention_weights
from tgnn.attention.kernels import FeatureMap as FeatureMap
from tgnn.attention.kernels import Kernel as Kernel
from tgnn.attention.kernels import RandomFeatures as RandomFeatures
from tgnn.attention.scores import Additive as Additive
from tgnn.attention.scores import AdditiveV2 as AdditiveV2
from tgnn.attention.scores import Gaussian as Gaussian
from tgnn.attention.scores import InnerProduct as InnerProduct
from tgnn.attention.scores import Score as Score
from tgnn.attention.scores import dot_product as dot_product
from tgnn.graphs import Blocks as Blocks
from tgnn.graphs import Causal as Causal
from tgnn.graphs import Complete as Complete
from tgnn.graphs import Dense as Dense
from tgnn.graphs import EdgeList as EdgeList
from tgnn.graphs import Layout as Layout
from tgnn.graphs import Neighbors as Neighbors
from tgnn.graphs import Prefix as Prefix
from tgnn.graphs import RowWindows as RowWindows
from tgnn.graphs import SortedChunks as SortedChunks
from tgnn.graphs import Window as Window
from tgnn.graphs.interop import from_networkx as from_networkx
from tgnn.graphs.interop import from_scipy as from_scipy
from tgnn.graphs.interop import to_graph as to_graph
from tgnn.graphs.interop import to_networkx as to_networkx
from tgnn.graphs.interop import to_scipy as to_scipy
from tgnn.graphs.ordering import reorder as reorder
from tgnn.graphs.padding import Masks as Masks
from tgnn.graphs.padding import pad as pad
from tgnn.graphs.padding import stack as stack
from tgnn.graphs.points import k_nearest as k_nearest
from tgnn.graphs.points import within_radius as within_radius
from tgnn.graphs.relations import Relations as Relations
from tgnn.graphs.subgraphs import Part as Part
from tgnn.graphs.subgraphs import induced as induced
from tgnn.graphs.subgraphs import largest_component as largest_component
from tgnn.graphs.subgraphs import line_graph as line_graph
from tgnn.graphs.subgraphs import virtual_nodes as virtual_nodes
from tgnn.graphs.transforms import coalesce as coalesce
from tgnn.graphs.transforms import degrees as degrees
from tgnn.graphs.transforms import readout as readout
from tgnn.graphs.transforms import self_loops as self_loops
from tgnn.graphs.transforms import undirected as undirected
from tgnn.nn.sparse_features import SparseFeatures as SparseFeatures
from tgnn.planning.batching import batch as batch
from tgnn.planning.choose import plan as plan
from tgnn.planning.report import explain as explain
from tgnn.softmax import segment_softmax as segment_softmax

Bag = SparseFeatures  # its name until 0.1

__version__ = "0.2.0"
__all__ = [
    "Additive",
    "AdditiveV2",
    "Bag",
    "Blocks",
    "Causal",
    "Complete",
    "Dense",
    "EdgeList",
    "FeatureMap",
    "Gaussian",
    "InnerProduct",
    "Kernel",
    "Layout",
    "Masks",
    "Neighbors",
    "Part",
    "Prefix",
    "RandomFeatures",
    "Relations",
    "RowWindows",
    "Score",
    "SortedChunks",
    "SparseFeatures",
    "Window",
    "aggregate",
    "attend",
    "attention_weights",
    "batch",
    "coalesce",
    "degrees",
    "dot_product",
    "explain",
    "from_networkx",
    "from_scipy",
    "induced",
    "k_nearest",
    "largest_component",
    "line_graph",
    "pad",
    "patterns",
    "plan",
    "readout",
    "recurrent",
    "reorder",
    "segment_softmax",
    "self_loops",
    "stack",
    "to_graph",
    "to_networkx",
    "to_scipy",
    "undirected",
    "virtual_nodes",
    "within_radius",
]


def __getattr__(name: str) -> Any:
    """Submodules such as `tgnn.models`, imported when they are asked for."""
    import importlib

    if name.startswith("_"):
        raise AttributeError(f"module 'tgnn' has no attribute {name!r}")
    try:
        return importlib.import_module(f"tgnn.{name}")
    except ModuleNotFoundError as error:
        if error.name == f"tgnn.{name}":
            raise AttributeError(f"module 'tgnn' has no attribute {name!r}") from None
        raise


def __dir__() -> list[str]:
    """The public names, and the submodules that a user looks for."""
    rooms = (
        "adapters",
        "analysis",
        "checkpoint",
        "datasets",
        "decoding",
        "links",
        "losses",
        "metrics",
        "models",
        "nn",
        "plot",
        "pretrained",
        "sampling",
        "schedules",
        "sharding",
        "training",
    )
    return sorted({*__all__, *rooms})
