"""ListOps as examples: the sequence of tokens, or the tree of its operators and digits."""

from typing import NamedTuple

import numpy as np

from experiments.common.sentences.examples import Example, sequence
from experiments.listops.config import Config
from tgnn.datasets import listops

VOCAB_SIZE = len(listops.VOCABULARY) - 1  # without padding
END = listops.VOCABULARY.index("]")
OPERATORS = range(listops.VOCABULARY.index("[MIN"), END)


class Splits(NamedTuple):
    """Examples; no sequence is in two of them."""

    train: list[Example]
    held_out: list[Example]
    test: list[Example]


def load(config: Config, *, trees: bool) -> Splits:
    """The sequences of a config, as trees or as chains."""
    lengths = {"min_length": config.min_length, "max_length": config.max_length}
    shape = {"max_depth": config.max_depth, "max_arguments": config.max_arguments}
    count = config.train + config.held_out + config.test
    data = listops.generate(count, seed=config.data_seed, **lengths, **shape)
    rows = (row[:length] for row, length in zip(data.tokens, data.lengths, strict=True))
    convert = as_tree if trees else as_sequence
    examples = [convert(row, int(label)) for row, label in zip(rows, data.labels, strict=True)]
    border = config.train + config.held_out
    return Splits(examples[: config.train], examples[config.train : border], examples[border:])


def as_sequence(tokens: np.ndarray, label: int) -> Example:
    """All tokens, brackets included."""
    return sequence(tokens.astype(np.int32) - 1, label)


def as_tree(tokens: np.ndarray, label: int) -> Example:
    """A node for each operator and digit; the children of an operator are its arguments."""
    nodes, children, open_nodes = [], [], [(-1, [])]
    for token in tokens.tolist():
        if token in OPERATORS:
            open_nodes.append((token, []))
            continue
        node, arguments = open_nodes.pop() if token == END else (token, [])
        open_nodes[-1][1].append(len(nodes))
        nodes.append(node - 1)
        children.append(arguments)
    table = np.full((len(nodes), max(map(len, children)) or 1), -1, np.int32)
    for row, arguments in zip(table, children, strict=True):
        row[: len(arguments)] = arguments
    labels = np.append(np.full(len(nodes) - 1, -1), label).astype(np.int32)
    return Example(np.array(nodes, np.int32), table, labels)
