"""tgnn: Transformers are graph neural networks. One function, `attend`, on every graph."""

from typing import Any

from tgnn import patterns as patterns
from tgnn import recurrent as recurrent
from tgnn.aggregation import aggregate as aggregate
from tgnn.attention import attend as attend
from tgnn.attention import attention_weights as attention_weights
from tgnn.bag import Bag as Bag
from tgnn.batching import batch as batch
from tgnn.convert import Masks as Masks
from tgnn.convert import from_networkx as from_networkx
from tgnn.convert import from_scipy as from_scipy
from tgnn.convert import pad as pad
from tgnn.convert import stack as stack
from tgnn.convert import to_graph as to_graph
from tgnn.convert import to_networkx as to_networkx
from tgnn.convert import to_scipy as to_scipy
from tgnn.explain import explain as explain
from tgnn.graphs import degrees as degrees
from tgnn.graphs import readout as readout
from tgnn.graphs import self_loops as self_loops
from tgnn.graphs import undirected as undirected
from tgnn.layouts import Blocks as Blocks
from tgnn.layouts import Causal as Causal
from tgnn.layouts import Complete as Complete
from tgnn.layouts import Dense as Dense
from tgnn.layouts import EdgeList as EdgeList
from tgnn.layouts import Layout as Layout
from tgnn.layouts import Neighbors as Neighbors
from tgnn.layouts import Prefix as Prefix
from tgnn.layouts import SortedChunks as SortedChunks
from tgnn.layouts import Window as Window
from tgnn.plan import plan as plan
from tgnn.reorder import reorder as reorder
from tgnn.scores import Additive as Additive
from tgnn.scores import AdditiveV2 as AdditiveV2
from tgnn.scores import Gaussian as Gaussian
from tgnn.scores import Score as Score
from tgnn.scores import dot_product as dot_product
from tgnn.softmax import segment_softmax as segment_softmax

__version__ = "0.1.0"


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
