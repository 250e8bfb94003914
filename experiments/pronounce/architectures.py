"""What can be trained to pronounce: the Transformer, and the RNNs that it replaced."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from experiments.pronounce import model, recurrent
from experiments.pronounce.config import Config
from experiments.pronounce.data import Batches
from tgnn.transformer import init_transformer


class Architecture(NamedTuple):
    """The functions in which architectures differ."""

    init: Callable[..., Any]  # (rng, config) -> params
    make_loss: Callable[[Config], Callable]  # config -> (params, batch, rng) -> (nats per phoneme, {})
    batches: Callable[..., Callable[[int], Any]]  # (examples, config, seed=) -> step -> batch
    say: Callable[..., list[tuple[str, ...]]]  # (params, words, slots) -> phonemes of each word


TRANSFORMER = Architecture(
    lambda rng, config: init_transformer(rng, config.model),
    model.make_loss,
    lambda words, config, seed: Batches(words, rows=config.rows, slots=config.slots, seed=seed),
    model.say,
)
RECURRENT = Architecture(
    recurrent.init, recurrent.make_loss, recurrent.WordBatches, partial(model.say, decode=recurrent.decode)
)
ARCHITECTURES = {"transformer": TRANSFORMER} | dict.fromkeys(recurrent.KINDS, RECURRENT)
