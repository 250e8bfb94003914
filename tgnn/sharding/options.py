"""The options of `attend`, as every sharded form of it takes them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from tgnn.attention.dropout import Origin
from tgnn.attention.scores import Score, dot_product
from tgnn.typing import Array, Params


class Options(NamedTuple):
    """See `attend`. A pytree: what is no array is known before compilation."""

    score: Score = dot_product
    bias: Any = None
    scale: Any = None
    edges: Array | None = None
    edge_value: Array | None = None
    dropout_rate: float = 0.0
    rng: Array | None = None
    origin: Origin = (0, 0, 0)
    implementation: str | None = None
    return_lse: bool = False

    @property
    def per_edge(self) -> dict[str, Array]:
        """The arrays with an entry for each edge."""
        arrays = {"bias": self.bias, "edges": self.edges, "edge_value": self.edge_value}
        return {name: jnp.asarray(x) for name, x in arrays.items() if x is not None and not callable(x)}

    def keywords(self) -> dict[str, Any]:
        """For `attend`."""
        return self._asdict()


def check_no_arrays_of_edges(options: Options, remedy: str) -> None:
    """A ValueError where there are arrays with an entry for each edge."""
    for name, x in options.per_edge.items():
        raise ValueError(f"{name} is an array of all edges, {x.shape}, which no device holds here; {remedy}")


def share(x: Params, spec: Callable[[Any], PartitionSpec]) -> tuple[PartitionSpec | None, ...]:
    """PartitionSpecs for the leaves of `x`: `spec(leaf)`, for arrays."""
    return tuple(spec(leaf) if hasattr(leaf, "shape") else None for leaf in jax.tree.leaves(x))
