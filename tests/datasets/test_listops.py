"""ListOps as generated."""

import numpy as np
import pytest

from tgnn.datasets import listops


def test_listops_is_deterministic_and_its_labels_are_right():
    data = listops.generate(97, seed=3, min_length=10, max_length=80)
    again = listops.generate(97, seed=3, min_length=10, max_length=80)
    other = listops.generate(97, seed=4, min_length=10, max_length=80)
    for left, right in zip(vars(data).values(), vars(again).values(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert not np.array_equal(data.tokens, other.tokens)
    assert data.tokens.shape == (97, 80) and len(np.unique(data.tokens, axis=0)) == 97
    assert data.lengths.min() > 10 and data.lengths.max() < 80
    np.testing.assert_array_equal((data.tokens > 0).sum(1), data.lengths)
    for row, label in zip(data.tokens, data.labels, strict=True):
        assert python_value([listops.VOCABULARY[token] for token in row if token]) == label


def python_value(words):
    """The value by recursion, independent of the library's stack."""
    word = words.pop(0)
    if word.isdigit():
        return int(word)
    values = []
    while words[0] != "]":
        values.append(python_value(words))
    words.pop(0)
    middle = sorted(values)[(len(values) - 1) // 2 :][: 2 - len(values) % 2]
    return {"[MIN": min(values), "[MAX": max(values), "[MED": sum(middle) // len(middle), "[SM": sum(values) % 10}[word]


def test_listops_of_the_arena_have_its_lengths():
    data = listops.generate(50)
    assert data.tokens.shape == (50, 2000) and data.lengths.min() > 500 and data.lengths.max() < 2000


def test_impossible_listops_are_errors():
    with pytest.raises(ValueError, match="expected n >= 0"):
        listops.generate(3, min_length=5, max_length=5)
    with pytest.raises(ValueError, match=r"only 10 of 11 trees with length in \(0, 2\)"):
        listops.generate(11, min_length=0, max_length=2)
    for tokens in ([11, 1], [15], [11, 15], [1, 1], [], [99], [-1], [1.5]):
        with pytest.raises(ValueError, match="ListOps sequence"):
            listops.evaluate(tokens)
