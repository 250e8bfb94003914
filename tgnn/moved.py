"""Modules that moved, importable by their old names: `import tgnn.scores` gives `tgnn.attention.scores` itself."""

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOVED = {
    "tgnn.aggregation": "tgnn.attention.aggregation",
    "tgnn.bag": "tgnn.nn.sparse_features",
    "tgnn.batching": "tgnn.planning.batching",
    "tgnn.checks": "tgnn.errors",
    "tgnn.convert": "tgnn.graphs.interop",
    "tgnn.cost": "tgnn.planning.cost",
    "tgnn.dropout": "tgnn.attention.dropout",
    "tgnn.fused": "tgnn.attention.fused",
    "tgnn.layouts": "tgnn.graphs",
    "tgnn.layouts.base": "tgnn.graphs.layout",
    "tgnn.layouts.edges": "tgnn.graphs.edge_list",
    "tgnn.levels": "tgnn.recurrent.levels",
    "tgnn.metrics_log": "tgnn.train.metrics_log",
    "tgnn.multi_head": "tgnn.nn.multi_head",
    "tgnn.propagation": "tgnn.recurrent.propagation",
    "tgnn.rates": "tgnn.planning.timings",
    "tgnn.scores": "tgnn.attention.scores",
    "tgnn.transformer": "tgnn.nn.transformer",
}


class Moved:
    """Finds the modules of `MOVED`, and whatever lies under them."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of a moved module, None for any other."""
        parent, _, leaf = name.rpartition(".")
        new = MOVED.get(name) or (f"{MOVED[parent]}.{leaf}" if parent in MOVED else None)
        return None if new is None else ModuleSpec(name, Loader(new))


class Loader:
    """Gives the module that stands elsewhere."""

    def __init__(self, name: str):
        self.name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself, whose own spec must not be overwritten."""
        module = importlib.import_module(self.name)
        self.saved: tuple[Any, Any, str | None] = module.__spec__, module.__loader__, module.__package__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It ran when it was imported by its new name."""
        module.__spec__, module.__loader__, module.__package__ = self.saved


sys.meta_path.append(Moved)  # type: ignore
