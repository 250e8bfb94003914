"""Attention between words from attention between the tokens that they are cut into."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from tgnn.errors import as_index, check_size


def word_weights(weights: Any, words: Any, *, n_words: int | None = None) -> Any:
    """Attention to a word is the sum over its tokens, attention from a word the mean over its tokens.

    Args:
        weights: `[..., n, n]` between tokens, rows receivers, such as those of `tgnn.pretrained.attention`; NumPy's
            stay NumPy's.
        words: ints `[n]`, the word that each token is a part of; -1 for tokens of none ([CLS], [SEP], padding).
        n_words: how many words there are; default one more than the last. Those without tokens get zeros.

    Returns:
        `[..., n_words, n_words]`. A row sums to 1 less what goes to tokens of no word.

    Raises:
        ValueError: for shapes that disagree.

    >>> weights = jnp.array([[0.2, 0.3, 0.5], [0.4, 0.6, 0.0], [0.0, 0.5, 0.5]])
    >>> word_weights(weights, jnp.array([0, 0, 1])).tolist()
    [[0.75, 0.25], [0.5, 0.5]]

    Reference: Clark et al., What Does BERT Look At?, arXiv:1906.04341, section 4.1.
    """
    weights = weights if hasattr(weights, "dtype") else np.asarray(weights)
    words = np.asarray(as_index("words", words))
    n = len(words) if words.ndim == 1 else -1
    if weights.ndim < 2 or weights.shape[-2:] != (n, n):
        raise ValueError(
            f"weights must have shape [..., n, n] and words [n], got {weights.shape} and {words.shape}; "
            "give the word of each token, -1 for none"
        )
    least = int(words.max(initial=-1)) + 1
    n_words = least if n_words is None else check_size("n_words", n_words)
    if n_words < least:
        raise ValueError(f"n_words is {n_words}, but a token is a part of word {least - 1}; count them again")
    part = (np.arange(n_words)[:, None] == words).astype(weights.dtype)  # [n_words, n]
    mean = part / np.maximum(part.sum(1, keepdims=True), 1)
    return mean @ weights @ part.T if isinstance(weights, np.ndarray) else jnp.matmul(jnp.matmul(mean, weights), part.T)
