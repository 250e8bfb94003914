"""How many neighbours does a protein need? ProteinMPNN with 48, and with fewer than it was trained with.

The published network reads a backbone and says each residue's probabilities: recovery is the share of residues whose
most probable one is nature's. Edges are cut from the 48 nearest residues to 4; as many edges along the chain and at
random say what nearness in space is worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from experiments.common import command
from experiments.protein.config import PRESETS, Config
from experiments.protein.data import Backbone, read_backbone
from experiments.protein.figures import save_figure
from experiments.protein.graphs import chain_neighbors, random_neighbors
from tgnn import pretrained
from tgnn.graphs import Neighbors


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment; only the random graphs are drawn, so that one run is enough."""

    keeps_checkpoints: ClassVar[bool] = False
    remedy: ClassVar[str] = "nothing is kept of it: run it again"


class Score(NamedTuple):
    """What one graph gives on one backbone."""

    recovery: float  # the share of residues that are the most probable ones, given nature's before them
    loss: float  # nats a residue


Scores = dict[tuple[str, int], list[Score]]  # by kind of graph and number of neighbours: one for each backbone


def run(config: Config, options: command.Options) -> dict[str, Sequence[float]]:
    """Every graph on every backbone."""
    folder = options.data_dir / "proteinmpnn" if options.data_dir else None
    if folder is None or not folder.is_dir():
        raise command.Mistake("--data-dir (or TGNN_DATA_DIR) must hold the folder proteinmpnn")
    params, model = pretrained.load(folder)
    backbones = [read_backbone(folder / f"{name}.pdb.gz") for name in config.backbones]
    scores = compare(config, params, model, backbones, options.seed)
    designs = design_all(config, params, model, backbones)
    Console().print(table(config, scores, designs))
    save_figure(config, scores, designs, options.folder)
    return metrics(config, scores, designs)


def compare(config: Config, params: Any, model: Any, backbones: list[Backbone], seed: int) -> Scores:
    """The scores of the nearest neighbours, of those along the chain, and of random ones."""
    most = replace(model, num_neighbors=max(config.num_neighbors))
    nearest = [np.asarray(most(params, *x).neighbors) for x in backbones]  # nearest first: fewer are the first columns
    scores: Scores = {}
    for k in config.num_neighbors:
        found: dict[str, list[Score]] = {"nearest": [], "chain": [], "random": []}
        for backbone, table in zip(backbones, nearest, strict=True):
            n = len(table)
            graphs = {"nearest": [Neighbors(table[:, :k], n)], "chain": [chain_neighbors(n, k)]}
            graphs["random"] = [random_neighbors(n, k, seed + i) for i in range(config.random_graphs)]
            for kind, layouts in graphs.items():
                each = [score(model, params, backbone, layout) for layout in layouts]
                found[kind].append(Score(*np.mean(each, axis=0).tolist()))
        scores |= {(kind, k): each for kind, each in found.items()}
        print(f"{k} neighbours: recovery {mean(scores['nearest', k], 'recovery'):.1%}", flush=True)
    return scores


def score(model: Any, params: Any, backbone: Backbone, layout: Any) -> Score:
    """Recovery and loss of one graph, given nature's residues to the left of each."""
    found = np.asarray(model(params, *backbone, layout=layout).log_probabilities)
    right = found[np.arange(len(backbone.sequence)), backbone.sequence]
    return Score(float((found.argmax(-1) == backbone.sequence).mean()), float(-right.mean()))


def design_all(config: Config, params: Any, model: Any, backbones: list[Backbone]) -> dict[int, list[float]]:
    """The share of residues that a design has in common with nature, for each number of neighbours and backbone."""
    designs: dict[int, list[float]] = {}
    for k in config.designed:
        own = replace(model, num_neighbors=k)
        sequences = [np.asarray(design(own, params, *x[:2])) for x in backbones]
        designs[k] = [float((a == x.sequence).mean()) for a, x in zip(sequences, backbones, strict=True)]
    return designs


@partial(jax.jit, static_argnums=0)
def design(model: Any, params: Any, coordinates: jax.Array, residue_index: jax.Array) -> jax.Array:
    """The most probable residue after each, from left to right, with none of nature's: ints `[n]`."""

    def append(i: jax.Array, sequence: jax.Array) -> jax.Array:
        said = model(params, coordinates, residue_index, sequence).log_probabilities
        return sequence.at[i].set(said[i, :20].argmax())  # 20 is X, which is no residue

    return jax.lax.fori_loop(0, len(coordinates), append, jnp.zeros(len(coordinates), jnp.int32))


def mean(scores: list[Score], name: str) -> float:
    """The mean over the backbones."""
    return float(np.mean([getattr(score, name) for score in scores]))


def metrics(config: Config, scores: Scores, designs: dict[int, list[float]]) -> dict[str, Sequence[float]]:
    """One value for each backbone: of all numbers of neighbours the recovery, of the most and of 8 all else."""
    found: dict[str, Sequence[float]] = {}
    for k in config.num_neighbors:
        found[f"recovery_{k}"] = [score.recovery for score in scores["nearest", k]]
    ends = [k for k in (max(config.num_neighbors), 8) if k in config.num_neighbors]
    for k in ends:
        found[f"loss_{k}"] = [score.loss for score in scores["nearest", k]]
    for k in [k for k in ends if k in designs]:
        found[f"design_{k}"] = designs[k]
    for kind in ("chain", "random"):
        found[f"{kind}_recovery_{ends[-1]}"] = [score.recovery for score in scores[kind, ends[-1]]]
    return found


def table(config: Config, scores: Scores, designs: dict[int, list[float]]) -> Table:
    """One line for each number of neighbours, means over the backbones."""
    columns = "recovery", "nats", "design", "along the chain", "at random"
    shown = Table("neighbours", *columns, title=f"ProteinMPNN on {', '.join(config.backbones)}")
    for k in config.num_neighbors:
        own, designed = scores["nearest", k], f"{np.mean(designs[k]):.1%}" if k in designs else ""
        others = [f"{mean(scores[kind, k], 'recovery'):.1%}" for kind in ("chain", "random")]
        shown.add_row(str(k), f"{mean(own, 'recovery'):.1%}", f"{mean(own, 'loss'):.3f}", designed, *others)
    return shown


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("protein", PRESETS, run, options_type=Options, argv=argv)
