"""ListOps, generated as in the Long Range Arena: nested operations on digits, whose value is the class (0 to 9).

Operators: MIN, MAX, MED (integer part of the median), SM (sum modulo 10), each of 2 to 10 arguments. A tree grows from
depth 1 to at most 10; above the last depth a node is an operator with probability 1/4, else a digit. Trees are kept
whose length (operators, closing brackets and digits) lies strictly between two bounds. The arena: 96,000 train, 2,000
validation and 2,000 test sequences of 500 to 2,000 tokens; a CPU is better served by lengths up to 200.

Citation: Nangia & Bowman, "ListOps: A Diagnostic Dataset for Latent Tree Learning", arXiv:1804.06028; Tay et al.,
"Long Range Arena", arXiv:2011.04006.
"""

import operator
import random
import statistics
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tgnn.datasets.checks import check, check_range
from tgnn.datasets.records import ITEM, Collection, Part
from tgnn.typing import ArrayLike

OPERATORS = ("MIN", "MAX", "MED", "SM")
VOCABULARY = ("<pad>", *"0123456789", *(f"[{name}" for name in OPERATORS), "]")
_DIGIT, _OPERATOR, _END = 1, 11, 15  # first token of each kind
_REDUCE = (min, max, lambda values: int(statistics.median(values)), lambda values: sum(values) % 10)


@dataclass(frozen=True, eq=False)
class ListOps(Collection):
    """Sequences of one split; `len(data)` is their number.

    Attributes:
        tokens: int8 [n, max_length] indices into `VOCABULARY`, 0 after the end.
        lengths: int32 [n].
        labels: int32 [n], 0 to 9.
    """

    tokens: Annotated[np.ndarray, Part(ITEM, below=len(VOCABULARY), ndim=2)]
    lengths: Annotated[np.ndarray, Part(ITEM, below=lambda data: data.tokens.shape[1] + 1, ndim=1)]
    labels: Annotated[np.ndarray, Part(ITEM, below=10, ndim=1)]


def generate(
    n: int,
    *,
    seed: int = 0,
    min_length: int = 500,
    max_length: int = 2000,
    max_depth: int = 10,
    max_arguments: int = 10,
) -> ListOps:
    """Different sequences, n of them, the same for the same arguments; slice them into splits that share none.

    Takes about 1 ms a sequence at the arena's lengths.

    Args:
        n: number of sequences.
        seed: of the generator.
        min_length: sequences are longer than this.
        max_length: sequences are shorter than this.
        max_depth: of a tree.
        max_arguments: of an operator.

    Raises:
        ValueError: no tree can have such a length, or too few do.
    """
    n, min_length, max_length = map(operator.index, (n, min_length, max_length))
    if n < 0 or not 0 <= min_length < max_length - 1 or max_depth < 1 or max_arguments < 2:
        raise ValueError(
            f"expected n >= 0, 0 <= min_length < max_length - 1, max_depth >= 1 and max_arguments >= 2, got n={n}, "
            f"min_length={min_length}, max_length={max_length}, max_depth={max_depth}, max_arguments={max_arguments}"
        )
    source, found, misses = random.Random(seed), {}, 0
    while len(found) < n:
        tokens: list[int] = []
        _grow(source, 1, max_depth, max_arguments, max_length, tokens)
        accepted = min_length < len(tokens) < max_length and bytes(tokens) not in found
        misses = 0 if accepted else misses + 1
        if accepted:
            found[bytes(tokens)] = evaluate(tokens)
        if misses > 100_000:
            raise ValueError(
                f"only {len(found)} of {n} trees with length in ({min_length}, {max_length}) were found; widen it"
            )
    padded = np.zeros((n, max_length), np.int8)
    for row, sequence in zip(padded, found, strict=True):
        row[: len(sequence)] = np.frombuffer(sequence, np.int8)
    lengths, labels = np.array([*map(len, found)], np.int32), np.array([*found.values()], np.int32)
    return check("listops", ListOps(padded, lengths, labels), "report it: the generator is wrong")


def evaluate(tokens: ArrayLike) -> int:
    """The value of one sequence of tokens (padding is ignored).

    Args:
        tokens: [n] indices into `VOCABULARY`, integers of any type.

    Example:
        >>> evaluate([VOCABULARY.index(word) for word in "[SM 7 [MAX 2 5 ] ]".split()])
        2

    Raises:
        ValueError: the brackets do not match, or a token is none.
    """
    tokens = np.asarray(tokens)
    check_range(
        "evaluate", "tokens", tokens, 0, len(VOCABULARY), "expected a ListOps sequence: indices into VOCABULARY"
    )
    stack: list[tuple[int, list[int]]] = [(0, [])]
    for token in tokens.tolist():
        if _DIGIT <= token < _OPERATOR:
            stack[-1][1].append(token - _DIGIT)
        elif _OPERATOR <= token < _END:
            stack.append((token - _OPERATOR, []))
        elif token == _END and len(stack) > 1 and stack[-1][1]:
            kind, values = stack.pop()
            stack[-1][1].append(_REDUCE[kind](values))
        elif token != 0:
            raise ValueError(
                f"token {token} closes no operator with arguments, or is unknown; expected a ListOps sequence"
            )
    if len(stack) != 1 or len(stack[0][1]) != 1:
        raise ValueError("tokens hold an open operator, or not exactly one value; expected one ListOps sequence")
    return stack[0][1][0]


def _grow(source: random.Random, depth: int, max_depth: int, max_arguments: int, limit: int, tokens: list[int]) -> None:
    """Appends a random subtree; gives up, unfinished, at `limit` tokens."""
    if depth == max_depth or source.random() > 0.25:
        tokens.append(_DIGIT + int(10 * source.random()))
        return
    tokens.append(_OPERATOR + int(len(OPERATORS) * source.random()))
    for _ in range(2 + int((max_arguments - 1) * source.random())):
        _grow(source, depth + 1, max_depth, max_arguments, limit, tokens)
        if len(tokens) >= limit:
            return
    tokens.append(_END)
