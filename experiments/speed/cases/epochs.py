"""An epoch as the experiments train: batches of molecules joined on the host and a step for each, or GAT on Cora."""

import dataclasses

import jax
import numpy as np

from experiments.common.training import Task, initial
from experiments.molecules.config import PRESETS, Config
from experiments.molecules.data import NUM_BONDS, Molecules, encoder
from experiments.molecules.models import build
from experiments.molecules.task import make_task, schedule_of
from experiments.speed import graphs
from experiments.speed.cases import citation
from experiments.speed.cases.case import Case
from experiments.speed.cases.training import TOLERANCE, Named, in_jax, in_torch, linear, named, norm, rates
from experiments.speed.contestant import Contestant
from tgnn import EdgeList
from tgnn.datasets.graphs import Graphs, disjoint_edges
from tgnn.planning.cost import Cost
from tgnn.train.batches import batch_indices
from tgnn.typing import Params

KINDS = 28  # of atoms, as in ZINC
CPU = dataclasses.replace(PRESETS["cpu"], warmup_steps=1)  # steps that are compared are to change something
MOLECULES = {"": (512, CPU), "tiny": (64, dataclasses.replace(PRESETS["smoke"], warmup_steps=1))}


def cases(family, size, config, data_dir) -> list[Case]:
    """epoch-citation, epoch-molecules-mpnn or -gps, each also with -tiny."""
    what, _, rest = size.partition("-")
    if what == "citation":
        return citation.cases(f"{family}-{size}", "tiny" if rest == "tiny" else "cora", data_dir)
    model, _, small = rest.partition("-")
    count, sizes = MOLECULES[small]
    name = {"mpnn": "mpnn_sum", "gps": "gps"}[model]
    molecules = synthetic(count, encoder(name, sizes.encoding_dim))
    encoding_dim = molecules.train.nodes.shape[1] - len(molecules.sizes)
    task = make_task(build(name, sizes, molecules.sizes, encoding_dim), sizes, molecules, pairs=model == "gps")
    sides = {
        "PyG": lambda: torch_side(model, task, sizes, molecules, encoding_dim),
        "tgnn": lambda: in_jax(task, count // sizes.batch_size, lambda params: to_torch(model, params)),
    }
    nothing = Cost(0, 0, 0, 0, 0)
    return [Case(f"{family}-{size}", "PyG", sides, nothing, nothing, TOLERANCE)]


def synthetic(count: int, encode) -> Molecules:
    """Chains with branches and a ring, atoms and bonds at random."""
    rng, ends, n_node = np.random.default_rng(0), graphs.bonds_of_molecules(count), graphs.sizes_of_molecules(count)
    n_edge = np.array([x.shape[1] for x in ends], np.int32)
    senders, receivers = np.concatenate(ends, axis=1).astype(np.int32)
    atoms = rng.integers(0, KINDS, (n_node.sum(), 1)).astype(np.float32)
    bonds = rng.integers(0, NUM_BONDS, n_edge.sum()).astype(np.int32)
    labels = rng.standard_normal(count).astype(np.float32)
    plain = Graphs(atoms, bonds, senders, receivers, n_node.astype(np.int32), n_edge, labels)
    places = encode(EdgeList.from_edges(*disjoint_edges(plain), n_receivers=len(atoms)))
    train = dataclasses.replace(plain, nodes=np.concatenate([atoms, places], axis=1).astype(np.float32))
    return Molecules(train, {}, (KINDS,), 0.0, 1.0)


def torch_side(model: str, task: Task, sizes: Config, molecules: Molecules, encoding_dim: int) -> Contestant:
    """PyG's DataLoader on the same molecules in the same order."""
    from experiments.speed.peers.adamw import Training
    from experiments.speed.peers.molecules import Network, as_data, loader

    shape = sizes.num_layers, sizes.num_heads
    module = Network(model, molecules.sizes, NUM_BONDS, encoding_dim, sizes.model_dim, shape=shape)
    training = Training(module, rates(schedule_of(sizes), sizes.num_steps), weight_decay=sizes.weight_decay)
    data = as_data(molecules.train)

    def batches(first: int, count: int):
        steps = range(first, first + count)
        return loader(data, [batch_indices(i, len(data), sizes.batch_size, seed=0).tolist() for i in steps])

    weights = to_torch(model, initial(task.init, task.optimizer).params)
    return in_torch(training, len(data) // sizes.batch_size, batches, weights)


def to_torch(model: str, params: Params) -> Named:
    """By the names of `experiments.speed.peers.molecules`."""
    layers = params["layers"]
    if model == "gps":
        depth = len(layers["gine"]["epsilon"])
        layers = [gps_layer(jax.tree.map(lambda x, i=i: np.asarray(x[i]), layers)) for i in range(depth)]
    else:
        layers = [mpnn_layer(layer) for layer in layers]
    tables = {"atoms": [{"weight": x["table"]} for x in params["atoms"]], "bonds": {"weight": params["bonds"]["table"]}}
    encoding = {"encoding": linear(params["encoding"])} if "encoding" in params else {}
    return named(tables | encoding | {"layers": layers, "head": perceptron(params["head"])})


def perceptron(params: list[Params]) -> Params:
    """Two maps with an activation between, which counts there."""
    return {"0": linear(params[0]), "2": linear(params[1])}


def mpnn_layer(layer: Params) -> Params:
    """Of the sum."""
    maps = {name: linear(layer[name]) for name in ("receiver", "sender", "edge")}
    return maps | {"mlp": perceptron(layer["mlp"]), "norm": norm(layer["norm"])}


def gps_layer(layer: Params) -> Params:
    """PyG's names; torch keeps query, key and value in one matrix."""
    attention = layer["attention"]
    parts = [linear(attention[name]) for name in ("query", "key", "value")]
    joined = {f"in_proj_{name}": np.concatenate([part[name] for part in parts]) for name in ("weight", "bias")}
    return {
        "conv": {"nn": perceptron(layer["gine"]["mlp"]), "eps": np.reshape(layer["gine"]["epsilon"], (1,))},
        "attn": joined | {"out_proj": linear(attention["output"], in_axes=2)},
        "mlp": {"0": linear(layer["mlp"]["up"]), "3": linear(layer["mlp"]["down"])},
        "norm1": norm(layer["local_norm"]),
        "norm2": norm(layer["attention_norm"]),
        "norm3": norm(layer["mlp_norm"]),
    }
