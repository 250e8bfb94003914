"""How a classifier of sentences learns: AdamW, or as Tree-LSTMs were first trained; words at a rate of their own."""

import jax
import optax

from experiments.common.sentences.config import Config
from tgnn.train.optimizer import make_optimizer
from tgnn.train.schedules import warmup_cosine
from tgnn.typing import Params


def optimizer_of(config: Config) -> optax.GradientTransformation:
    """The optimizer that a config asks for.

    Adagrad is that of Tai, Socher and Manning, arXiv:1503.00075, section 5.3: a constant rate, weight decay as a part
    of the gradient, and gradient descent for the words' vectors. Their loss is a sum over the nodes of a tree and ours
    a mean over those of a batch, which Adagrad does not see: decay and the words' rate are to be scaled by hand.
    """
    if config.optimizer == "adagrad":
        others = optax.adagrad(config.learning_rate, initial_accumulator_value=0.0, eps=1e-10)
        decayed = optax.chain(optax.add_decayed_weights(config.weight_decay), others)
        return optax.multi_transform({True: optax.sgd(config.embedding_rate), False: decayed}, is_of_words)
    learning_rate = warmup_cosine(config.learning_rate, config.warmup_steps, config.num_steps)
    optimizer = make_optimizer(learning_rate, weight_decay=config.weight_decay)
    if config.embedding_rate == 1:
        return optimizer
    return optax.chain(optimizer, optax.masked(optax.scale(config.embedding_rate), is_of_words))


def is_of_words(params: Params) -> Params:
    """For each of the weights, whether it belongs to the words' vectors."""
    return {name: jax.tree.map(lambda _, name=name: name == "embedding", part) for name, part in params.items()}
