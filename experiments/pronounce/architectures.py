"""What can be trained to pronounce: the Transformer, and the RNNs that it replaced."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from experiments.pronounce import model, recurrent
from experiments.pronounce.config import Config
from experiments.pronounce.data import Batches
from tgnn.nn.multi_head import Rotate
from tgnn.nn.positions import rotary
from tgnn.nn.transformer import init_transformer


class Architecture(NamedTuple):
    """The functions in which architectures differ."""

    init: Callable[..., Any]  # (rng, config) -> params
    make_loss: Callable[[Config], Callable]  # config -> (params, batch, rng) -> (nats per phoneme, {})
    batches: Callable[..., Callable[[int], Any]]  # (examples, config, seed=) -> step -> batch
    say: Callable[..., list[tuple[str, ...]]]  # (params, words, slots) -> phonemes of each word
    attention: Callable | None = None  # (params, word, phonemes) -> [layers, phonemes + 1, letters, heads]


def transformer(rotate: Rotate | None) -> Architecture:
    """The Transformer; `rotate` lets all three graphs see distances too."""
    return Architecture(
        lambda rng, config: init_transformer(rng, config.model),
        partial(model.make_loss, rotate=rotate),
        lambda words, config, seed: Batches(words, rows=config.rows, slots=config.slots, seed=seed),
        partial(model.say, decode=partial(model.decode, rotate=rotate)),
        partial(model.cross_attention, rotate=rotate),
    )


RECURRENT = Architecture(
    recurrent.init, recurrent.make_loss, recurrent.WordBatches, partial(model.say, decode=recurrent.decode)
)
ARCHITECTURES = {"transformer": transformer(None), "rotary": transformer(rotary)} | dict.fromkeys(
    recurrent.KINDS, RECURRENT
)
