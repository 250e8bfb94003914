"""ProteinMPNN: the residues that fold to a backbone, from messages between each residue and its 48 nearest ones.

Reference: Dauparas et al., Robust deep learning-based protein sequence design using ProteinMPNN, Science 2022.
"""

from dataclasses import dataclass
from functools import partial, reduce
from operator import or_
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.compiled import compiled
from tgnn.errors import as_index
from tgnn.graphs import Layout, Neighbors
from tgnn.graphs.layout import is_traced
from tgnn.nn.basic import embedding, layer_norm, linear, mlp
from tgnn.nn.block import feed_forward
from tgnn.nn.per_head import PerHead
from tgnn.nn.stack import run_parts
from tgnn.pretrained.layouts import Layers, layouts_of_layers
from tgnn.pretrained.surgery import Gates, Heads, each_layer, heads_of_layers
from tgnn.pretrained.tensors import Tensors
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Params

ALPHABET = "ACDEFGHIKLMNPQRSTVWYX"
GELU = partial(jax.nn.gelu, approximate=False)
MESSAGES = 30.0  # by which a sum of messages is divided
FARTHEST = 32  # residues along the chain that are told apart
ATOMS = "N", "A", "C", "O", "B"  # A is the alpha carbon, B the virtual beta carbon
PAIRS = "AA NN CC OO BB AN AC AO AB NC NO NB BC BO OC NA CA OA BA CN ON BN CB OB CO"  # of receiver and sender


class Design(NamedTuple):
    """What ProteinMPNN says of a backbone."""

    log_probabilities: Array  # [n, 21] of `ALPHABET`, each given the residues before it
    neighbors: Array  # [n, 48] or, of a shorter chain, [n, n]: nearest first, itself at the front


@dataclass(frozen=True)
class ProteinMPNN:
    """What it does, without its numbers; hashable.

    Attributes:
        num_neighbors: of each residue, itself among them.
    """

    num_neighbors: int = 48

    def __call__(
        self,
        params: Params,
        coordinates: Array,
        residue_index: Array,
        sequence: Array,
        *,
        layout: Layers = None,
        gates: Gates | None = None,
    ) -> Design:
        """The probabilities of each residue of one chain, given the backbone and the residues before it.

        Args:
            params: what `load` gave.
            coordinates: `[n, 4, 3]`, in Angstrom, of the atoms N, CA, C and O.
            residue_index: ints `[n]`, the residues' numbers in the chain.
            sequence: ints `[n]` in `ALPHABET`; the i-th row of the output sees those before i only.
            layout: edges between the residues in place of the nearest neighbours: for all layers, or as for `Model`.
                The six layers are the encoder's three and the decoder's three. Where they differ, an edge of any of
                them has a state, which the encoder's layers update, and sends messages in its own layers.
            gates: numbers `[1]` for each layer that multiply its sums of messages: a layer has one head.

        Returns:
            A `Design`. Time O(n^2) for distances, else O(edges).

        Raises:
            ValueError: for shapes that disagree, coordinates that are not finite, residues out of range, and a layout
                for another head than a layer's only one, 0.
        """
        coordinates = jnp.asarray(coordinates)
        n = len(coordinates) if coordinates.ndim else 0
        if coordinates.shape != (n, 4, 3) or n == 0:
            raise ValueError(f"coordinates must have shape [n, 4, 3], of N, CA, C and O, got {coordinates.shape}")
        if not is_traced(coordinates) and not np.isfinite(coordinates).all():
            raise ValueError("coordinates hold NaN or inf; leave out residues whose backbone is not known")
        residue_index, sequence = as_index("residue_index", residue_index), as_index("sequence", sequence)
        for name, x in (("residue_index", residue_index), ("sequence", sequence)):
            if np.shape(x) != (n,):
                raise ValueError(f"{name} must have shape [{n}], one for each residue, got {np.shape(x)}")
        if not is_traced(sequence) and not 0 <= np.min(sequence) <= np.max(sequence) < len(ALPHABET):
            raise ValueError(f"sequence goes from {np.min(sequence)} to {np.max(sequence)}, expected 0 ... 20")
        arrays = coordinates, jnp.asarray(residue_index), jnp.asarray(sequence)
        params = params if gates is None else self.with_gates(params, gates)[0]
        graph = joined(layout, lambda: self.graph(coordinates), n, num_layers(params))
        return Design(*run_design(params, *arrays, *graph, min(self.num_neighbors, n)))

    def graph(self, coordinates: Array) -> Neighbors:
        """The network's own edges between n residues: `[n, 4, 3]` -> those from the nearest to each."""
        coordinates = jnp.asarray(coordinates)
        return Neighbors(nearest(coordinates, min(self.num_neighbors, len(coordinates))), len(coordinates))

    def all_gates(self, params: Params) -> tuple[Array, ...]:
        """Open gates: ones `[1]` for each layer."""
        return (jnp.ones(1),) * num_layers(params)

    def with_gates(self, params: Params, gates: Gates) -> tuple[Params, "ProteinMPNN"]:
        """The network with gates in its parameters; see `tgnn.pretrained.with_gates`."""
        found = [None if x is None else jnp.asarray(x) for x in each_layer(gates, num_layers(params))]
        if any(x is not None and x.shape != (1,) for x in found):
            raise ValueError(f"gates have the shapes {[jnp.shape(x) for x in found]}; give [1] or None for each layer")

        def edit(block, i):
            own, gate = block["messages"], found[i]
            return own if gate is None else own | {"gate": own["gate"] * gate if "gate" in own else gate}

        return edit_messages(params, edit), self

    def without_heads(self, params: Params, heads: Heads) -> tuple[Params, "ProteinMPNN"]:
        """The network whose layers no longer send messages; see `tgnn.pretrained.remove_heads`."""
        gone = heads_of_layers(heads, num_layers(params))
        if any(head != 0 for layer in gone for head in layer):
            raise ValueError(f"heads are {gone} of each layer, but a layer of messages has head 0 only; name that one")

        def edit(block, i):
            return {"norm_after": block["messages"]["norm_after"]} if gone[i] else block["messages"]

        return edit_messages(params, edit), self


def num_layers(params: Params) -> int:
    """Layers of both sides."""
    return len(params["encoder"]) + len(params["decoder"])


def edit_messages(params: Params, edit: Any) -> Params:
    """Other messages in every layer: `edit(block, layer)` gives them."""
    first = len(params["encoder"])
    sides = (("encoder", 0), ("decoder", first))
    edited = {s: [b | {"messages": edit(b, i)} for i, b in enumerate(params[s], start)] for s, start in sides}
    return params | edited


def joined(layout: Layers, own: Any, n: int, layers: int) -> tuple[Layout | None, list[Array | None]]:
    """The edges that any layer has, None for the network's own, and for each layer which of them send messages."""
    found: list[Any] = list(layouts_of_layers(layout, layers, (n, n), 1))
    found = [graph.groups(1)[0][1] if isinstance(graph, PerHead) else graph for graph in found]  # of the one head
    distinct = {id(graph): graph for graph in found}
    if len(distinct) == 1:
        return found[0], [None] * layers
    found = [own() if graph is None else graph for graph in found]
    edges = reduce(or_, {id(graph): graph for graph in found}.values())
    senders, receivers = edges.pairs()
    edges = Neighbors.from_edges(senders, receivers, n_receivers=n)
    ends = [np.broadcast_to(np.asarray(x), edges.edge_shape) for x in (edges.sender_index, edges.receiver_index)]
    return edges, [jnp.asarray(graph.contains(*ends)) for graph in found]


@partial(jax.jit, static_argnums=1)
def nearest(coordinates: Array, k: int) -> Array:
    """The k residues `[n, k]` whose alpha carbons are nearest to that of each."""
    alpha = atoms_of(coordinates)["A"]
    return jax.lax.top_k(-distance(alpha[:, None], alpha[None]), k)[1]


@compiled
def run_design(params, coordinates, residue_index, sequence, layout, sent, k) -> tuple[Array, Array]:
    """The equations of ProteinMPNN."""
    sent = iter(sent)
    atoms, neighbors = atoms_of(coordinates), nearest(coordinates, k)  # in their own precision, whatever the weights'
    layout = Neighbors(neighbors, len(coordinates)) if layout is None else layout
    edges = layer_norm(
        params["edge_norm"], linear(params["edges"], edge_features(params, layout, atoms, residue_index))
    )
    edges = linear(params["edge_projection"], edges)  # [*edge_shape, dim]
    x = jnp.zeros((len(sequence), edges.shape[-1]), edges.dtype)
    for block in params["encoder"]:
        x = message_block(block, layout, x, edges_of(layout, edges, x), next(sent))
        ends = jnp.concatenate([to_edges(layout, x), edges_of(layout, edges, x)], -1)
        edges = run_parts(
            block, {"edges": lambda e, rng, b=block, m=ends: mlp(b["edges"]["maps"], m, activation=GELU)}, edges
        )
    residues = embedding(params["residues"], sequence)
    past = (layout.sender_index < layout.receiver_index)[..., None]
    # What is not decoded yet is known by its place only.
    unknown = edges_of(layout, edges, jnp.zeros_like(residues), x)
    for block in params["decoder"]:
        known = jnp.where(past, edges_of(layout, edges, residues, x), unknown)
        x = message_block(block, layout, x, known, next(sent))
    return jax.nn.log_softmax(linear(params["output"], x)), neighbors


def message_block(params: Params, layout: Layout, x: Array, edges: Array, sent: Array | None = None) -> Array:
    """Sums the messages of the edges, then maps every node, each inside a residual connection: `[n, dim]`.

    Of `sent`, bool `[*edge_shape]`, only edges that are True send. A block whose maps were removed has no messages.
    """

    def messages(h, rng):
        own = params["messages"]
        if "maps" not in own:
            return jnp.zeros_like(h)
        found = mlp(own["maps"], jnp.concatenate([to_edges(layout, h), edges], -1), activation=GELU)
        total = layout.reduce(found if sent is None else jnp.where(sent[..., None], found, 0)) / MESSAGES
        return total * own["gate"].astype(total.dtype)[None] if "gate" in own else total

    parts = {"messages": messages, "mlp": lambda h, rng: feed_forward(params["mlp"], h, activation=GELU)}
    return run_parts(params, parts, x)


def to_edges(layout: Layout, x: Array) -> Array:
    """What each edge sees of its receiver: `[*edge_shape, dim]`."""
    return jnp.broadcast_to(layout.from_receivers(x), (*layout.edge_shape, x.shape[-1]))


def edges_of(layout: Layout, edges: Array, *senders: Array) -> Array:
    """Features of edges beside those of their senders: `[*edge_shape, sum of dims]`."""
    rows = (jnp.broadcast_to(layout.from_senders(x), (*layout.edge_shape, x.shape[-1])) for x in senders)
    return jnp.concatenate([edges, *rows], -1)


def atoms_of(coordinates: Array) -> dict[str, Array]:
    """The four atoms of each residue and the beta carbon that an ideal one has: `[n, 3]` each, at least float32."""
    coordinates = coordinates.astype(wide_dtype(coordinates.dtype))
    nitrogen, alpha, carbon, oxygen = jnp.moveaxis(coordinates, 1, 0)
    first, second = alpha - nitrogen, carbon - alpha
    beta = -0.58273431 * jnp.cross(first, second) + 0.56802827 * first - 0.54067466 * second + alpha
    return dict(zip(ATOMS, (nitrogen, alpha, carbon, oxygen, beta), strict=True))


def distance(a: Array, b: Array) -> Array:
    """Distances `[..., 3], [..., 3] -> [...]`, with a derivative where they are 0."""
    return jnp.sqrt(((a - b) ** 2).sum(-1) + 1e-6)


def edge_features(params: Params, layout: Layout, atoms: dict[str, Array], residue_index: Array) -> Array:
    """How far apart two residues are along the chain, and 25 distances between their atoms: `[*edge_shape, 416]`."""
    number = residue_index[:, None]
    step = (layout.from_receivers(number) - layout.from_senders(number))[..., 0]
    steps = jnp.broadcast_to(jnp.clip(step + FARTHEST, 0, 2 * FARTHEST), layout.edge_shape)
    features = [(params["steps"]["kernel"] + params["steps"]["bias"][None])[steps]]  # [*edge_shape, 16]
    centres = jnp.linspace(2.0, 22.0, 16, dtype=atoms["A"].dtype).reshape((1,) * len(layout.edge_shape) + (16,))
    for receiver, sender in PAIRS.split():
        apart = distance(layout.from_receivers(atoms[receiver]), layout.from_senders(atoms[sender]))
        near = jnp.exp(-(((apart[..., None] - centres) / 1.25) ** 2))
        features.append(near.astype(features[0].dtype))  # [*edge_shape, 16]
    return jnp.concatenate(features, -1)


def read_proteinmpnn(tensors: Tensors) -> tuple[Params, ProteinMPNN]:
    """The parameters and the model of a checkpoint of ProteinMPNN, whose sizes are those of its tensors."""
    dim, vocab = tensors.shape("W_e.bias")[0], len(ALPHABET)
    steps = tensors.linear("features.embeddings.linear", 2 * FARTHEST + 2, 16)
    features = tensors.under("features.")
    return {
        "steps": steps,
        "edges": features.linear("edge_embedding", 16 + 16 * len(PAIRS.split()), dim, use_bias=False),
        "edge_norm": features.norm("norm_edges", dim),
        "edge_projection": tensors.linear("W_e", dim, dim),
        "residues": tensors.table("W_s.weight", vocab, dim),
        "encoder": read_blocks(tensors, "encoder_layers", dim, 3),
        "decoder": read_blocks(tensors, "decoder_layers", dim, 4),
        "output": tensors.linear("W_out", dim, vocab),
    }, ProteinMPNN()


def read_blocks(tensors: Tensors, name: str, dim: int, inputs: int) -> list[Params]:
    """The three blocks of a side, whose messages read `inputs` vectors."""
    return [_read_block(tensors.under(f"{name}.{i}."), dim, inputs) for i in range(3)]


def _read_block(tensors: Tensors, dim: int, inputs: int) -> Params:
    def maps(names: str) -> list[Params]:
        sizes = inputs * dim, dim, dim
        return [tensors.linear(name, size, dim) for name, size in zip(names.split(), sizes, strict=True)]

    hidden = tensors.shape("dense.W_in.bias")[0]
    block: Params = {
        "messages": {"maps": maps("W1 W2 W3"), "norm_after": tensors.norm("norm1", dim)},
        "mlp": {
            "up": tensors.linear("dense.W_in", dim, hidden),
            "down": tensors.linear("dense.W_out", hidden, dim),
            "norm_after": tensors.norm("norm2", dim),
        },
    }
    if "W11.weight" in tensors:
        block["edges"] = {"maps": maps("W11 W12 W13"), "norm_after": tensors.norm("norm3", dim)}
    return block
