"""Does telling hidden atoms and bonds of ZINC-250k help a graph network to learn from few labelled molecules?

ESOL (solubility; root mean square error) and PTC (carcinogenicity; accuracy in ten folds): fine-tuned from pre-trained
weights, from scratch with as many steps, and from scratch with the time of the pre-training spent on more steps.
"""

import dataclasses
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import jax
from rich.console import Console
from rich.table import Table

from experiments.common import command, processes, results, seeds
from experiments.common.training import Trainer
from experiments.pretraining import data, finetune, pretrain
from experiments.pretraining.config import PRESETS, Config, Dataset, Model
from experiments.pretraining.figures import save_curves
from experiments.pretraining.model import build_body

ARMS = ("scratch", "pretrained", "longer")


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, and what to train on what."""

    model: Model = "gated_gcn"
    """Network to pre-train and fine-tune."""
    dataset: Dataset = "esol"
    """Molecules with labels."""

    distributes: ClassVar[str] = "batch"


def run(config: Config, options: Options) -> command.Outcome:
    """One pre-training; then for every seed the three fine-tunings, each in a folder of its own."""
    stem, pairs, body = command.stem(options), options.model == "gps", build_body(options.model, config)
    about = dataclasses.asdict(config)
    problem = data.load_problem(options.dataset, options.data_dir)
    print(f"always the same answer: test {problem.metric} {finetune.constant(problem):.4g}", flush=True)
    limits = (config.pretraining_molecules, config.held_out)
    train, held_out = data.load_molecules(options.dataset, *limits, options.data_dir)
    task = pretrain.make_task(body, config, train, held_out, pairs=pairs)
    before = Trainer(task, options.distributed)
    folder = options.folder / f"{stem}-pretraining"
    learner, learned = before.train(0, folder, about, options.resume)
    usual = {
        "usual_element": data.most_frequent(held_out.nodes[:, 0], data.SIZES[0]),
        "usual_bond": data.most_frequent(held_out.edges[:, 1], data.NUM_BONDS),
    }
    print(f"pre-trained: {learned}, most frequent classes {usual}", flush=True)

    tuning = finetune.FineTuning(body, config, problem, pairs=pairs)
    trainers = {"scratch": Trainer(tuning.task(config.num_steps), options.distributed)}
    trainers["pretrained"] = Trainer(tuning.task(config.num_steps, learner["body"]), options.distributed)
    trainers["pretrained"].step = trainers["scratch"].step  # they differ in where they begin only: one program
    speeds = step_seconds(options.folder / f"{stem}-speed.json", (before, trainers["scratch"]), options.resume)
    more = round(config.pretraining_steps * speeds[0] / speeds[1])
    trainers["longer"] = Trainer(tuning.task(config.num_steps + more), options.distributed)
    about |= {"longer_steps": config.num_steps + more}

    def measure(chunk: Sequence[int]) -> seeds.Metrics:
        found = {}
        for arm in ARMS:
            place = arm_folder(options, chunk[0], arm)
            trainers[arm].train(chunk[0], place, about, options.resume)
            shown = finetune.summary(place, problem.metric)
            found |= {f"{arm}_{name}": [value] for name, value in shown.items()}
        found[f"gain_{problem.metric}"] = [gain(found, problem.metric)]
        return found

    metrics = seeds.run_seeds(about, options, measure)
    Console().print(arms_table(f"{options.model} on {options.dataset}", metrics, problem.metric))
    curves = {
        arm: [finetune.curve(arm_folder(options, s, arm), problem.metric) for s in options.all_seeds] for arm in ARMS
    }
    if processes.is_first():
        save_curves(folder, curves, problem.metric, options.folder / f"{stem}.png")
    single = learned | usual | {"longer_steps": config.num_steps + more}
    extra = {f"pretraining_{name}" if name == "seconds" else name: [float(value)] for name, value in single.items()}
    return command.Outcome(metrics | extra, about)


def arm_folder(options: Options, seed: int, arm: str) -> Path:
    """Where one fine-tuning is kept."""
    return options.folder / f"{command.stem(options)}-seed{seed}-{arm}"


def gain(found: seeds.Metrics, metric: str) -> float:
    """How much better the pre-trained network is than the one from scratch, of the same seed and steps."""
    scratch, pretrained = found[f"scratch_{metric}"][0], found[f"pretrained_{metric}"][0]
    return scratch - pretrained if metric == "rmse" else pretrained - scratch


def step_seconds(path: Path, trainers: Sequence[Trainer], resume: bool) -> list[float]:
    """Seconds of a step of each, the median of several taken in turn, so that other work slows all alike.

    Kept in a file, so that a resumed run goes on with the same budget; of many processes the first one's clock counts.
    """
    if resume and path.exists():
        return json.loads(path.read_text(encoding="utf-8"))["seconds"]
    states = [t.start() for t in trainers]
    times: list[list[float]] = [[] for _ in trainers]
    for i in range(12):
        for k, t in enumerate(trainers):
            started = time.perf_counter()
            states[k] = jax.block_until_ready(t.step(states[k], t.task.batches(0)(i))[0])
            times[k].append(time.perf_counter() - started)
    seconds = processes.gather([statistics.median(each[2:]) for each in times])[0]  # without what compiled
    if processes.is_first():
        path.write_text(json.dumps({"seconds": seconds}), encoding="utf-8")
    return seconds


def arms_table(title: str, metrics: seeds.Metrics, metric: str) -> Table:
    """The three fine-tunings: test metric at the best validation look, and at the last one, mean and spread."""
    shown = Table("fine-tuned", f"test {metric}", "± sd", f"last test {metric}", "± sd", "runs", title=title)
    for arm in ARMS:
        chosen, last = (results.summarise(metrics[f"{arm}_{name}"]) for name in (metric, f"last_{metric}"))
        numbers = (chosen["mean"], chosen["std"], last["mean"], last["std"])
        shown.add_row(arm, *(f"{number:.4f}" for number in numbers), str(len(chosen["values"])))
    return shown


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("pretraining", PRESETS, run, options_type=Options, argv=argv)
