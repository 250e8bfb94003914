"""Epochs of GAT on Cora as `experiments.citation` trains it, dropout and validation included, beside PyG."""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

import dataclasses
import time
from pathlib import Path

import jax
import numpy as np
import optax

from experiments.citation.config import GAT, Recipe
from experiments.citation.data import prepare
from experiments.citation.models import build
from experiments.citation.train import fit
from experiments.speed import graphs
from experiments.speed.cases.case import Case
from experiments.speed.cases.training import PROVED, TOLERANCE, Named, changes, named
from experiments.speed.contestant import Arrays, Contestant
from tgnn.datasets import planetoid
from tgnn.datasets.planetoid import Planetoid
from tgnn.datasets.sparse import SparseRows
from tgnn.planning.cost import Cost
from tgnn.typing import Params

EPOCHS = 10  # of a call: ours are one compiled loop
STILL = dataclasses.replace(GAT, dropout_rate=0.0)  # what is compared: the two sides drop by other numbers
WORDS = {"cora": (1_433, 18), "tiny": (50, 5)}  # in the vocabulary, and of a paper, where the data is not at hand


def cases(name: str, size: str, data_dir: Path | None) -> list[Case]:
    """Cora itself where it is at hand."""
    graph = load(size, data_dir)
    sides = {"PyG": lambda: torch_side(graph), "tgnn": lambda: ours(graph)}
    nothing = Cost(0, 0, 0, 0, 0)
    return [Case(name, "PyG", sides, nothing, nothing, TOLERANCE)]


def load(size: str, data_dir: Path | None) -> Planetoid:
    """Cora, or a graph of its numbers with random words and labels."""
    if size == "cora" and data_dir is not None and (data_dir / "planetoid_cora").is_dir():
        return planetoid.load("cora", data_dir)
    graph, rng = graphs.make(size), np.random.default_rng(0)
    vocabulary, words = WORDS[size]
    indices = np.sort(rng.permuted(np.tile(np.arange(vocabulary), (graph.n, 1)), axis=1)[:, :words], axis=1).ravel()
    rows = SparseRows(
        np.arange(0, len(indices) + 1, words), indices, np.ones(len(indices), np.float32), (graph.n, vocabulary)
    )
    links = graph.senders != graph.receivers
    labels = rng.integers(0, 7, graph.n).astype(np.int32)
    parts = np.split(np.arange(graph.n, dtype=np.int32), [graph.n // 10, graph.n // 3])
    return Planetoid(rows, graph.senders[links], graph.receivers[links], labels, *parts, num_classes=7)


def first_weights(graph: Planetoid) -> Params:
    """Of both sides."""
    network = build("gat", GAT, prepare(graph, self_loops=True).task.layout, graph.features.shape[1], graph.num_classes)
    return network.init(jax.random.key(0))


def ours(graph: Planetoid) -> Contestant:
    """`fit`, whose epochs are one loop; a call begins anew."""
    task, params = prepare(graph, self_loops=True).task, first_weights(graph)

    def trained(recipe: Recipe, epochs: int):
        network = build("gat", recipe, task.layout, task.words.shape[1], graph.num_classes)

        def run(params, task):
            return fit(jax.random.key(0), task, network._replace(init=lambda rng: params), recipe, epochs)

        return jax.jit(run)

    def proof() -> Arrays:
        state = jax.device_get(trained(STILL, PROVED)(params, task))
        scores = np.array([state.best.loss, state.best.accuracy], np.float32)
        squares = optax.tree_utils.tree_get(state.opt_state, "nu")
        return [scores, *changes(*map(to_torch, (params, state.params, squares)))]

    start = time.perf_counter()
    program = trained(GAT, EPOCHS).lower(params, task).compile()
    costs = {"both_compile_seconds": time.perf_counter() - start}
    return Contestant(
        None, lambda: jax.block_until_ready(program(params, task).best.loss), lambda x: [np.asarray(x)], costs, proof
    )


def torch_side(graph: Planetoid) -> Contestant:
    """GATConv, eager."""
    import torch

    from experiments.citation.gat_in_torch import Tensors, Training
    from experiments.speed.peers.adamw import outcome

    tensors = Tensors.of(graph)
    weights = to_torch(first_weights(graph))

    def begun(recipe: Recipe) -> Training:
        training = Training(tensors, graph.num_classes, recipe)
        training.model.load_state_dict({name: torch.from_numpy(x.copy()) for name, x in weights.items()})
        return training

    def proof() -> Arrays:
        training = begun(STILL)
        losses, accuracies = zip(*(training.epoch() for _ in range(PROVED)), strict=True)
        scores = np.array([min(losses), max(accuracies)], np.float32)
        return [scores, *changes(weights, *outcome(training.model, training.adam))]

    training = begun(GAT)

    def call() -> float:
        return [training.epoch()[0] for _ in range(EPOCHS)][-1]

    return Contestant(None, call, lambda loss: [np.asarray(loss)], proof=proof)


def to_torch(params: list[Params]) -> Named:
    """PyG's names; heads stand one after another there."""

    def layer(own: Params) -> Params:
        kernel = np.asarray(own["linear"]["kernel"])
        vectors = {
            "att_src": np.asarray(own["sender_vector"])[None],
            "att_dst": np.asarray(own["receiver_vector"])[None],
        }
        return {"lin": {"weight": kernel.reshape(len(kernel), -1).T}, "bias": np.ravel(own["bias"])} | vectors

    return named({"first": layer(params[0]), "second": layer(params[1])})
