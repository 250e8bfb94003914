"""Trains every penalty at once, under `vmap`: the same weights to begin with, the same batches, one program."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.deception.config import Config
from experiments.deception.data import UNKNOWN, Batch, Reviews, bins
from experiments.deception.model import Name, Said, classify, init
from tgnn.train.guard import check_finite
from tgnn.train.losses import cross_entropy, masked_mean
from tgnn.train.optimizer import make_optimizer
from tgnn.train.schedules import warmup_cosine
from tgnn.typing import Array, Params


class Kind(NamedTuple):
    """A way to train."""

    penalty: Array  # of the attention on words of the lexicon
    removed: Array  # bool: these words are unknown, in training and test


class Scores(NamedTuple):
    """On test sentences."""

    accuracy: Array
    mass: Array  # the mean attention on words of the lexicon
    blind_accuracy: Array  # where these words are unknown


def make_trainer(name: Name, config: Config, reviews: Reviews) -> Callable[[int, Kind], Scores]:
    """(seed, kinds `[k]`) -> scores `[k]`."""
    lexicon, packed = jnp.asarray(reviews.lexicon), bins(config)
    optimizer = make_optimizer(
        warmup_cosine(config.learning_rate, config.warmup_steps, config.num_steps), weight_decay=config.weight_decay
    )

    def apply(params: Params, batch: Batch, hidden: Array, rng: Array | None = None) -> Said:
        """All rows; `hidden`: whether the words of the lexicon are unknown."""
        rows, members = batch.labels.shape
        rngs = None if rng is None else jax.random.split(rng, rows)

        def one(tokens, segments, rng):
            known = jnp.where(hidden & lexicon[tokens], UNKNOWN, tokens)
            return classify(params, config, lexicon, known, segments, members, rng)

        return jax.vmap(one, (0, 0, None if rng is None else 0))(batch.tokens, batch.segments, rngs)

    def loss(params: Params, batch: Batch, kind: Kind, rng: Array) -> Array:
        said = apply(params, batch, kind.removed, rng)
        away = jnp.log1p(-jnp.minimum(said.mass, 1 - 1e-6))  # log of the attention on other words
        return cross_entropy(said.logits, batch.labels) - kind.penalty * masked_mean(away, batch.labels >= 0)

    def score(params: Params, batch: Batch, kind: Kind) -> Scores:
        """Sums over the sentences of a batch."""
        asked = batch.labels >= 0
        seen, blind = (apply(params, batch, hidden) for hidden in (kind.removed, jnp.array(True)))
        right = [((x.logits.argmax(-1) == batch.labels) & asked).sum() for x in (seen, blind)]
        return Scores(right[0], jnp.where(asked, seen.mass, 0).sum(), right[1])

    def train_one(kind: Kind, seed: Array, train: Batch, test: Batch) -> tuple[Scores, Params]:
        init_rng, run_rng = jax.random.split(jax.random.key(seed))
        params = init(init_rng, name, config, reviews.vocab_size)

        def step(carry, each):
            (params, state), (batch, rng) = carry, each
            updates, state = optimizer.update(jax.grad(loss)(params, batch, kind, rng), state, params)
            return (optax.apply_updates(params, updates), state), None

        rngs = jax.random.split(run_rng, config.num_steps)
        (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), (train, rngs))
        sums = jax.lax.map(lambda batch: score(params, batch, kind), test)
        return jax.tree.map(lambda x: x.sum() / len(reviews.test), sums), params

    train_all = jax.jit(jax.vmap(train_one, (0, None, None, None)))
    test = stacked(packed.in_turn(reviews.test))

    def run(seed: int, kinds: Kind) -> Scores:
        of_step = packed.shuffled(reviews.train)(seed)
        scores, params = train_all(kinds, seed, stacked([of_step(step) for step in range(config.num_steps)]), test)
        check_finite("the weights after training", params)
        return scores

    return run


def stacked(batches: Sequence[Batch]) -> Batch:
    """Batches with one axis more in front."""
    return Batch(*(np.stack(parts) for parts in zip(*batches, strict=True)))
