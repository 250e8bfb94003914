"""Is attention a chemical graph? One head of a Transformer maps the atoms of a product to those they came from.

rxnmapper's ALBERT learned reactions by guessing masked tokens; nobody told it where an atom goes. The published head
(layer 10, head 5, counted from 0) and the published algorithm on the reactions of the package's own tests and README,
compared with the maps printed there; and every other head beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from experiments.atom_mapping.compare import is_same_map
from experiments.atom_mapping.config import PRESETS, Config
from experiments.atom_mapping.figures import save_figure
from experiments.atom_mapping.mapping import Side, attention_between, map_atoms, numbered, sides, written
from experiments.atom_mapping.reactions import REACTIONS, Reaction
from experiments.common import command
from tgnn import pretrained


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment; nothing is random, so that one run is enough."""

    keeps_checkpoints: ClassVar[bool] = False
    remedy: ClassVar[str] = "nothing is kept of it: run it again"


class Case(NamedTuple):
    """A reaction in tokens and atoms."""

    reaction: Reaction
    tokens: list[str]
    published: list[np.ndarray]  # map numbers of both sides, in the order of `Reaction.mapped`
    reactants: Side
    products: Side


def run(config: Config, options: command.Options) -> dict[str, float]:
    """Maps every reaction and compares."""
    if options.data_dir is None or not (options.data_dir / "rxnmapper_albert").is_dir():
        raise command.Mistake("--data-dir (or TGNN_DATA_DIR) must hold the folder rxnmapper_albert")
    params, model, cases, ids, mask = load(options.data_dir / "rxnmapper_albert", config.num_reactions)
    weights = read(params, model, ids, mask, config.layer)[:, config.head]
    maps = [mapped(case, x, config.multiplier) for case, x in zip(cases, weights, strict=True)]
    alone = [mapped(case, x, 1.0) for case, x in zip(cases, weights, strict=True)]
    Console().print(table(cases, maps))
    every = compare_heads(params, model, ids, mask, cases, maps, config)
    save_figure(cases[0], weights[0], maps[0][0], every, config, options.folder)
    others = np.delete(every, np.ravel_multi_index(place(config), every.shape))
    known = [i for i, case in enumerate(cases) if case.reaction.confidence is not None]
    return {
        "reactions": len(cases),
        "right": float(np.mean([is_right(*pair) for pair in zip(cases, maps, strict=True)])),
        "right_without_neighbors": float(np.mean([is_right(*pair) for pair in zip(cases, alone, strict=True)])),
        "confidence_error": max(abs(maps[i][1] - (cases[i].reaction.confidence or 0)) for i in known),
        "head_agreement": float(every[place(config)]),
        "best_other_head_agreement": float(others.max()),
        "mean_other_head_agreement": float(others.mean()),
    }


def place(config: Config) -> tuple[int, int]:
    """Where the published head stands among those that are compared."""
    return config.compared_layers.index(config.layer), config.head


def load(folder: Path, num_reactions: int) -> tuple[Any, Any, list[Case], np.ndarray, np.ndarray]:
    """The network, and the reactions as cases and as a batch of tokens."""
    params, model = pretrained.load(folder)
    tokenizer = pretrained.load_tokenizer(folder)
    cases = []
    for reaction in REACTIONS[:num_reactions]:
        tokens, their_tokens = (pieces(tokenizer, text) for text in (reaction.read, reaction.mapped))
        cases.append(Case(reaction, tokens, written(their_tokens), *sides(reaction.read, tokens)))
    ids, mask = pretrained.tokenize(tokenizer, [case.reaction.read for case in cases])
    return params, model, cases, ids, mask


def pieces(tokenizer: Any, text: str) -> list[str]:
    """The tokens of a text as they are written, also those that the vocabulary does not hold."""
    encoding = tokenizer.encode(text)
    places = zip(encoding.tokens, encoding.offsets, strict=True)
    return [token if start == end else text[start:end] for token, (start, end) in places]


def read(params: Any, model: Any, ids: np.ndarray, mask: np.ndarray, layer: int) -> np.ndarray:
    """The attention of all heads of a layer: `[batch, heads, n, n]`."""
    return np.asarray(pretrained.attention(params, model, ids, layer=layer, mask=mask), np.float64)


def mapped(case: Case, weights: np.ndarray, multiplier: float) -> tuple[np.ndarray, float]:
    """The map of one reaction, and its confidence."""
    attention = attention_between(weights, case.reactants, case.products)
    return map_atoms(attention, case.reactants, case.products, multiplier)


def is_right(case: Case, found: tuple[np.ndarray, float]) -> bool:
    """Whether a map is the published one."""
    own = case.reaction.read, numbered(case.reaction.read, found[0])
    return is_same_map(own, (case.reaction.mapped, case.published))


def compare_heads(params, model, ids, mask, cases, maps, config: Config) -> np.ndarray:
    """`[layers, heads]`: the share of product atoms whose strongest partner, by itself, is the one of the map."""
    shares = []
    for layer in config.compared_layers:
        weights = read(params, model, ids, mask, layer)  # [batch, heads, n, n]
        hits = []
        for case, each, (expected, _) in zip(cases, weights, maps, strict=True):
            best = [attention_between(x, case.reactants, case.products).argmax(1) for x in each]  # [heads][n_product]
            hits.append((np.array(best) == expected[None])[:, expected >= 0])
        shares.append(np.concatenate(hits, 1).mean(1))
    return np.array(shares)


def table(cases: list[Case], maps: list[tuple[np.ndarray, float]]) -> Table:
    """One line a reaction."""
    shown = Table("reaction", "atoms", "confidence", "published", "map", title="atom maps from one head")
    for case, found in zip(cases, maps, strict=True):
        published = "" if case.reaction.confidence is None else f"{case.reaction.confidence:.6f}"
        verdict = "same" if is_right(case, found) else "another"
        shown.add_row(case.reaction.read, str(len(found[0])), f"{found[1]:.6f}", published, verdict)
    return shown


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("atom_mapping", PRESETS, run, options_type=Options, argv=argv)
