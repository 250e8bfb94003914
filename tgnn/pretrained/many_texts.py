"""Sentence embeddings of many texts: sorted by length, in batches of few shapes, so that few programs are compiled."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tgnn.errors import check_size
from tgnn.pretrained.model import Model
from tgnn.pretrained.sentences import embed, pad_rows, padding_of
from tgnn.typing import Params


def embed_texts(
    params: Params,
    model: Model,
    tokenizer: Any,
    texts: Sequence[str],
    *,
    batch_size: int = 32,
    multiple: int = 4,
    implementation: str | None = None,
) -> np.ndarray:
    """One unit vector for each text, whatever their number and lengths; see `embed`.

    Texts are sorted by length; each batch is padded to its longest text, rounded up to a multiple. Of `batch_size` rows
    and so many tokens there is one program, which later batches and calls use again.

    Args:
        params: what `load` gave.
        model: what `load` gave.
        tokenizer: what `load_tokenizer` gave.
        texts: a list, not one text.
        batch_size: rows of a batch; the last one is filled with rows without tokens.
        multiple: of which lengths are: larger ones compile fewer programs and compute more padding.
        implementation: see `Model`.

    Returns:
        `[len(texts), model_dim]`, in the order of the texts.

    Raises:
        ValueError: for one text, or none, and as the model.
    """
    if isinstance(texts, str) or not texts:
        raise ValueError(f"texts must be a list of at least one text, got {texts!r:.40}; use [text]")
    batch_size = min(check_size("batch_size", batch_size, minimum=1), len(texts))
    multiple, padding = check_size("multiple", multiple, minimum=1), padding_of(tokenizer)
    rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    order = np.argsort([len(row) for row in rows], kind="stable")
    found = []
    for start in range(0, len(rows), batch_size):
        batch = [rows[i] for i in order[start : start + batch_size]]
        longest = max(1, *map(len, batch))
        rounded = -(-longest // multiple) * multiple
        n = rounded if rounded <= model.max_length else longest
        batch += [[]] * (batch_size - len(batch))
        token_ids, mask = pad_rows(batch, padding, n)
        found.append(embed(params, model, token_ids, mask=mask, implementation=implementation))  # not waited for
    vectors = np.concatenate([np.asarray(x) for x in found])[: len(rows)]
    return vectors[np.argsort(order)]
