"""How much does a graph help when only a few digits have labels?

Scikit-learn's 1,797 handwritten digits, each joined to its nearest neighbours; three labels per class. GCN, GAT and
APPNP on the graph against label spreading on the same graph, which looks at no pixel, and logistic regression, which
looks at no edge; the same labels for all; accuracy on all digits whose label is hidden.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.semi_supervised import LabelSpreading
from threadpoolctl import threadpool_limits

from experiments.common import command, processes
from experiments.common.results import summarise
from experiments.digits.config import PRESETS, Config
from experiments.digits.data import Digits, load, reveal
from experiments.digits.figures import save_picture
from experiments.digits.propagate import appnp
from tgnn.models import gat, gcn, init_gat, init_gcn
from tgnn.nn.basic import init_mlp
from tgnn.train.guard import check_finite
from tgnn.train.losses import accuracy, cross_entropy
from tgnn.training import make_optimizer


class Score(NamedTuple):
    """What one method reached."""

    accuracies: list[float]  # one per seed
    num_parameters: int  # of one seed's model
    seconds: float  # for all seeds


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, with ten seeds."""

    seeds: int = 10
    """How many runs, each with labels and weights of its own; they train at once."""

    keeps_checkpoints: ClassVar[bool] = False
    distributes: ClassVar[str] = "seeds"
    remedy: ClassVar[str] = "nothing is kept of it: run it again"


def run(config: Config, options: command.Options) -> dict[str, Sequence[float]]:
    """Compares the methods."""
    digits = load(config.num_neighbors)
    scores = compare(config, digits, options.all_seeds, options.distributed)
    if processes.is_first():
        save_picture(digits, options.folder / "digits.png")
    Console().print(table(scores))
    return metrics(scores)


def compare(config: Config, digits: Digits, seeds: Sequence[int], distributed: bool = False) -> dict[str, Score]:
    """The score of each method on the same labels; `distributed` processes share the seeds."""
    mine = processes.deal(seeds, distributed)
    labels = [reveal(digits.classes, config.labels_per_class, seed) for seed in mine]
    scores = {}
    for name, method in METHODS.items():
        started = time.perf_counter()
        found = method(config, digits, np.stack(labels), mine) if mine else ([], 0)
        parts = processes.gather(found)
        values, num_parameters = [x for part, _ in parts for x in part], max(size for _, size in parts)
        scores[name] = Score(values, num_parameters, time.perf_counter() - started)
        print(f"{name}: accuracy {np.mean(values):.1%} on hidden labels, {scores[name].seconds:.0f} s", flush=True)
    return scores


def metrics(scores: dict[str, Score]) -> dict[str, Sequence[float]]:
    """The accuracies and, seed by seed, by how much each method on the graph is ahead of the one without."""
    baseline = np.array(scores["logistic_regression"].accuracies)
    found: dict[str, Sequence[float]] = {f"{name}_accuracy": score.accuracies for name, score in scores.items()}
    for name in [name for name in scores if name != "logistic_regression"]:
        found[f"{name}_margin"] = (np.array(scores[name].accuracies) - baseline).tolist()
    return found


def regress(config: Config, digits: Digits, labels: np.ndarray, seeds: Sequence[int]) -> tuple[list[float], int]:
    """Logistic regression, its penalty chosen by cross-validation on the labels that it may see."""
    values, num_parameters = [], 0
    for revealed in labels:
        seen = revealed >= 0
        penalties = {"C": list(config.inverse_penalties)}
        search = GridSearchCV(LogisticRegression(max_iter=1000), penalties, cv=config.labels_per_class)
        with threadpool_limits(1):  # threads make so small a problem ten times slower
            search.fit(digits.pixels[seen], revealed[seen])
        values.append(search.score(digits.pixels[~seen], digits.classes[~seen]))
        num_parameters = search.best_estimator_.coef_.size + search.best_estimator_.intercept_.size
    return values, num_parameters


def spread_labels(config: Config, digits: Digits, labels: np.ndarray, seeds: Sequence[int]) -> tuple[list[float], int]:
    """Label spreading on the graph of neighbours: no weights, and the pixels serve to find the neighbours only."""
    receivers, senders = np.asarray(digits.layout.receivers), np.asarray(digits.layout.senders)
    n = len(digits.classes)
    adjacency = csr_matrix((np.ones(len(senders)), (receivers, senders)), shape=(n, n))
    values = []
    for revealed in labels:
        spreading = LabelSpreading(lambda *_: adjacency, alpha=config.spreading, max_iter=1000)
        said = spreading.fit(digits.pixels, revealed).transduction_
        values.append(float((said == digits.classes)[revealed < 0].mean()))
    return values, 0


def train_gcn(config: Config, digits: Digits, labels: np.ndarray, seeds: Sequence[int]) -> tuple[list[float], int]:
    """GCN on the graph of neighbours."""
    return train(lambda rng: init_gcn(rng, config.gcn_dims), gcn, config, digits, labels, seeds)


def train_gat(config: Config, digits: Digits, labels: np.ndarray, seeds: Sequence[int]) -> tuple[list[float], int]:
    """GAT on the graph of neighbours."""
    init = partial(init_gat, dims=config.gat_dims, num_heads=config.num_heads)
    return train(init, gat, config, digits, labels, seeds)


def train_appnp(config: Config, digits: Digits, labels: np.ndarray, seeds: Sequence[int]) -> tuple[list[float], int]:
    """APPNP: a perceptron of the pixels, and more steps over the graph than a GCN has layers."""
    model = partial(appnp, restart=config.appnp_restart, num_steps=config.appnp_steps)
    return train(partial(init_mlp, dims=config.appnp_dims), model, config, digits, labels, seeds)


def train(
    init: Callable, model: Callable, config: Config, digits: Digits, labels: np.ndarray, seeds: Sequence[int]
) -> tuple[list[float], int]:
    """Trains one model per seed, all at once, on the whole graph; scores the last step on what was hidden."""
    optimizer = make_optimizer(config.learning_rate, weight_decay=config.weight_decay)

    def loss(params: Any, graph: Any, labels: jax.Array, rng: jax.Array) -> jax.Array:
        return cross_entropy(model(params, *graph, dropout_rate=config.dropout_rate, rng=rng), labels)

    def train_one(seed: jax.Array, labels: jax.Array, graph: Any) -> tuple[jax.Array, Any]:
        init_rng, run_rng = jax.random.split(jax.random.key(seed))
        params = init(init_rng)

        def step(carry, rng):
            params, opt_state = carry
            updates, opt_state = optimizer.update(jax.grad(loss)(params, graph, labels, rng), opt_state, params)
            return (optax.apply_updates(params, updates), opt_state), None

        rngs = jax.random.split(run_rng, config.num_steps)
        (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), rngs)
        return accuracy(model(params, *graph), jnp.array(digits.classes), labels < 0), params

    graph = digits.layout, jnp.array(digits.pixels)  # an argument, or the compiler folds what it makes of the graph
    train_all = jax.jit(jax.vmap(train_one, (0, 0, None)))
    values, params = train_all(jnp.array(seeds), jnp.array(labels), graph)
    check_finite("the weights after training", params)
    return values.tolist(), sum(leaf[0].size for leaf in jax.tree.leaves(params))


METHODS = {
    "logistic_regression": regress,
    "label_spreading": spread_labels,
    "gcn": train_gcn,
    "gat": train_gat,
    "appnp": train_appnp,
}


def table(scores: dict[str, Score]) -> Table:
    """One line a method."""
    shown = Table("method", "parameters", "accuracy", "seconds", title="digits with hidden labels")
    for name, score in scores.items():
        summary = summarise(score.accuracies)
        accuracy_text = f"{summary['mean']:.1%} ± {summary['std']:.1%}"
        shown.add_row(name.replace("_", " "), f"{score.num_parameters:,}", accuracy_text, f"{score.seconds:.1f}")
    return shown


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("digits", PRESETS, run, options_type=Options, argv=argv)
