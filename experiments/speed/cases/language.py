"""A whole training step of `experiments.language`: loss, gradients, clipping, AdamW, and on our side the guard."""

import dataclasses

import jax
import numpy as np

from experiments.common.training import Task, initial
from experiments.language.config import LEARNED, PRESETS, Config
from experiments.language.data import Text
from experiments.language.models import MODELS
from experiments.language.task import make_task, schedule_of
from experiments.speed.cases.case import Case
from experiments.speed.cases.training import TOLERANCE, Named, in_jax, in_torch, linear, named, norm, rates
from experiments.speed.contestant import Contestant
from tgnn.nn.stack import listed
from tgnn.planning.cost import Cost
from tgnn.typing import Params

VOCAB = 65  # characters of Tiny Shakespeare
# The first rates are high, so that the steps whose outcome is compared change something.
SMALL = dataclasses.replace(PRESETS["cpu"], positions=LEARNED, warmup_steps=1)
SIZES = {
    "small": SMALL,
    "large": dataclasses.replace(SMALL, model_dim=384, num_layers=6, num_heads=6, context=256, batch_size=4),
    "tiny": dataclasses.replace(PRESETS["smoke"], positions=LEARNED, warmup_steps=1),
}
# Many gradients of the large one are 0 but for rounding. Adam moves these weights as far as any, so that from the
# second step on all others differ too, in torch from itself under torch.compile as well.
PROVED = {"small": 2, "large": 1, "tiny": 2}
STEPS = {"small": 4, "large": 1, "tiny": 1}  # of a call: one after the other, as in training


def cases(family, size, config, data_dir) -> list[Case]:
    """By the size of the model, such as lm-step-small; random characters, a new batch in each step."""
    name = size.removeprefix("step-")
    sizes, proved = SIZES[name], PROVED[name]
    tokens = np.random.default_rng(0).integers(0, VOCAB, 20_000).astype(np.int32)
    text = Text(tokens, {"validation": tokens[: 2 * sizes.context]}, "?" * VOCAB)
    task = make_task(MODELS["transformer"](sizes, VOCAB), sizes, text)
    sides = {
        "torch": lambda: torch_side(task, sizes, STEPS[name], proved),
        "torch compiled": lambda: torch_side(task, sizes, STEPS[name], proved, compile=True),
        "tgnn": lambda: in_jax(task, STEPS[name], to_torch, proved),
    }
    nothing = Cost(0, 0, 0, 0, 0)
    return [Case(f"{family}-{size}", "torch", sides, nothing, nothing, TOLERANCE)]


def torch_side(task: Task, sizes: Config, num_steps: int, proved: int, *, compile: bool = False) -> Contestant:
    """From the weights that ours starts from, on the same batches."""
    from experiments.speed.peers.adamw import Training
    from experiments.speed.peers.gpt import Gpt, as_tokens

    module = Gpt(VOCAB, sizes.num_layers, sizes.model_dim, sizes.num_heads, sizes.context)
    learning = rates(schedule_of(sizes), sizes.num_steps)
    training = Training(module, learning, weight_decay=sizes.weight_decay, b2=0.99, matrices_only=True)
    excerpts = task.batches(0)

    def batches(first: int, count: int):
        return (as_tokens(excerpts(i)) for i in range(first, first + count))

    weights = to_torch(initial(task.init, task.optimizer, task.carry).params)
    return in_torch(training, num_steps, batches, weights, compile=compile, proved=proved)


def to_torch(params: Params) -> Named:
    """Queries, keys and values are one matrix there."""

    def block(own: Params) -> Params:
        own = jax.tree.map(np.asarray, own)
        qkv = np.concatenate([linear(own["attention"][name])["weight"] for name in ("query", "key", "value")])
        return {
            "norm_attention": norm(own["attention"]["norm_before"]),
            "norm_mlp": norm(own["mlp"]["norm_before"]),
            "qkv": {"weight": qkv},
            "output": linear(own["attention"]["output"], in_axes=2),
            "up": linear(own["mlp"]["up"]),
            "down": linear(own["mlp"]["down"]),
        }

    blocks = [block(own) for own in listed(params["decoder"]["blocks"])]
    tables = {name: {"weight": params[name]["table"]} for name in ("embedding", "positions")}
    return named(tables | {"blocks": blocks, "norm": norm(params["decoder"]["norm"])})
