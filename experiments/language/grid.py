"""Many small language models side by side: each cell has its best rate, and runs of a cell train as one program.

Seeds draw the initial weights and nothing else: all models of all cells see the same batches in the same order, so that
what is spread over seeds is what initial weights make of them.

RUN_DIR/CELL/ holds the finished seeds of a cell, and RUN_DIR/CELL/rates/ what each rate came to: a run that was
interrupted goes on with what is missing.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.common import command, seeds
from experiments.common.training import initial
from experiments.language.config import Config
from experiments.language.data import Text
from experiments.language.signature import LanguageModel
from experiments.language.task import make_task
from tgnn.train.step import TrainState, make_carrying_step
from tgnn.typing import Array, Params

RATE_SEED = 1000  # of the initial weights of the runs that choose a rate: none that are reported
BATCHES = 0  # the seed of the batches, the same for all
Lane = tuple[int, float]  # a run: the seed of its initial weights, and its rate


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, and which cells."""

    cells: tuple[str, ...] = ()
    """Only these cells, by name, such as softmax-4; default all of them."""

    distributes: ClassVar[str] = "seeds"
    remedy: ClassVar[str] = "go on with --resume, which keeps the cells that are done"


class Cell(NamedTuple):
    """One setting."""

    model: LanguageModel
    config: Config  # but for its rate
    facts: Mapping[str, float]  # to be recorded with its metrics


def run_grid(cells: Mapping[str, Cell], text: Text, options: Options, rates: Sequence[float]) -> dict[str, list[float]]:
    """The metrics of all cells, named CELL/METRIC, and CELL/rates/METRIC of the runs that chose the rates.

    Args:
        cells: by name; each is made when its turn has come.
        text: to train on, and to validate.
        options: the command line.
        rates: peaks of the learning rate, of which each cell takes the one that validates best from other weights.

    Raises:
        command.Mistake: a cell is asked for that does not exist.
    """
    if unknown := set(options.cells) - set(cells):
        raise command.Mistake(
            f"--cells {' '.join(sorted(unknown))}: there is no such cell; choose of {', '.join(cells)}"
        )
    metrics: dict[str, list[float]] = {}
    options = dataclasses.replace(options, changes=())  # a cell is the same, whichever others there are
    for name in options.cells or cells:
        print(name, flush=True)
        cell = cells[name]()
        about = {"config": dataclasses.asdict(cell.config), "text": text.identity, "rates": list(rates)}
        train, folder = train_at_once(cell.model, cell.config, text), options.folder / name
        trying = dataclasses.replace(options, seed=0, seeds=len(rates), run_dir=folder / "rates")
        tried = seeds.run_seeds(
            about, trying, lambda chunk, train=train: train([(RATE_SEED, rates[i]) for i in chunk]), at_once=len(rates)
        )
        best = rates[int(np.argmin(np.nan_to_num(tried["validation_nats"], nan=np.inf)))]
        own = dataclasses.replace(options, run_dir=folder)
        found = seeds.run_seeds(
            about | {"rate": best},
            own,
            lambda chunk, train=train, best=best: train([(seed, best) for seed in chunk]),
            at_once=len(rates),  # as many as before: the same program
        )
        metrics |= {f"{name}/{metric}": values for metric, values in found.items()}
        for fact, value in {**cell.facts, "learning_rate": best}.items():
            metrics[f"{name}/{fact}"] = [value] * options.seeds
        metrics |= {f"{name}/rates/{metric}": tried[metric] for metric in ("validation_nats", "processor_seconds")}
    return metrics


def train_at_once(model: LanguageModel, config: Config, text: Text) -> Callable[[Sequence[Lane]], seeds.Metrics]:
    """A function from runs to their metrics: one model from several initial weights and at several rates, by vmap."""
    task = make_task(model, dataclasses.replace(config, learning_rate=1.0), text)
    optimizer = with_own_rate(task.optimizer)
    step = jax.vmap(make_carrying_step(task.loss, optimizer), in_axes=(0, None))
    programs: dict[int, jax.stages.Compiled] = {}  # by number of runs

    @jax.jit
    @jax.vmap
    def begin(seed: Array, rate: Array) -> TrainState:
        state = initial(task.init, optimizer, task.carry, seed)  # pyright: ignore
        return state._replace(opt_state=state.opt_state._replace(rate=rate))  # pyright: ignore

    def measure(lanes: Sequence[Lane]) -> seeds.Metrics:
        used = time.process_time()
        states = begin(*(jnp.asarray(column) for column in zip(*lanes, strict=True)))  # [lanes, ...]
        batches, count = task.batches(BATCHES), len(lanes)
        if count not in programs:
            programs[count] = jax.jit(step, donate_argnums=0).lower(states, batches(0)).compile()
        losses, started = [], time.perf_counter()
        for i in range(task.num_steps):
            states, seen = programs[count](states, batches(i))
            losses.append(seen["nats"])
        nats = np.asarray(jnp.stack(losses, axis=1), np.float64)  # [lanes, steps]
        seconds = (time.perf_counter() - started) / count
        params = jax.device_get(states.params)
        scores = [task.score(jax.tree.map(lambda leaf, i=i: leaf[i], params)) for i in range(count)]
        return {
            **{name: [score[name] for score in scores] for name in scores[0]},
            # high where a curve fell late
            "first_quarter_nats": nats[:, : max(task.num_steps // 4, 1)].mean(1).tolist(),
            "seconds": [seconds] * count,
            "processor_seconds": [(time.process_time() - used) / count] * count,  # compilation included
            "seconds_per_step": [seconds / task.num_steps] * count,
        }

    return measure


class OwnRate(NamedTuple):
    """The state of an optimizer, and by what its updates are multiplied: data, so that runs of a vmap may differ."""

    inner: optax.OptState
    rate: Array


def with_own_rate(unit: optax.GradientTransformation) -> optax.GradientTransformation:
    """An optimizer whose peak is 1, as one whose peak stands in its state: all of AdamW's update is times the rate."""

    def init(params: Params) -> OwnRate:
        return OwnRate(unit.init(params), jnp.float32(1.0))

    def update(gradients, state: OwnRate, params=None):
        updates, inner = unit.update(gradients, state.inner, params)
        return jax.tree.map(lambda x: state.rate * x, updates), OwnRate(inner, state.rate)

    return optax.GradientTransformation(init, update)  # pyright: ignore
