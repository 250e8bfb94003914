"""Sentence embeddings: the mean of the last hidden states of a text's tokens, as a unit vector."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from tgnn.compiled import compiled
from tgnn.datasets.files.download import local_path
from tgnn.errors import check_size
from tgnn.pretrained.files import read_json
from tgnn.pretrained.layouts import Layers, layouts_of_layers
from tgnn.pretrained.model import Model, checked_tokens, run_batch
from tgnn.pretrained.surgery import Gates
from tgnn.pretrained.vocabularies import build_tokenizer
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Params


def load_tokenizer(folder: str | Path, *, max_length: int | None = None) -> Any:
    """The `tokenizers.Tokenizer` of a folder, which cuts texts and does not pad them.

    Args:
        folder: that of `load`, with a tokenizer.json; or a vocab.txt, of BERT or (every word a token of SMILES) of
            chemistry; or vocab.json and merges.txt, of GPT-2 or RoBERTa.
        max_length: where texts are cut; default that of a sentence_bert_config.json, else the tokenizer's own.

    Raises:
        FileNotFoundError: there is no such file.
        ModuleNotFoundError: the package tokenizers is missing; install `tgnn[hf]`.
        ValueError: a file is damaged, or max_length leaves no room for a text between the tokens of its ends.
    """
    folder = local_path("folder", folder)
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError:
        raise ModuleNotFoundError("a tokenizer needs the package tokenizers; run pip install 'tgnn[hf]'") from None
    path = folder / "tokenizer.json"
    if path.is_file():
        read_json(path)  # with this library's errors
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises no class of its own
            raise ValueError(f"{path} is damaged ({error}); get the published file") from error
    else:
        tokenizer = build_tokenizer(folder)
    sentences = path.with_name("sentence_bert_config.json")
    if max_length is None and sentences.is_file():
        max_length = read_json(sentences).get("max_seq_length")
    if max_length is not None:
        least = 1 + tokenizer.num_special_tokens_to_add(False)  # the library cuts nothing where only these have room
        tokenizer.enable_truncation(check_size("max_length", max_length, least))
    tokenizer.no_padding()
    return tokenizer


def tokenize(tokenizer: Any, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Token ids int32 `[batch, n]` of texts, padded to the longest, and the mask `[batch, n]` of real ones.

    Padding is the tokenizer's own [PAD] or <pad>, else 0.

    Args:
        tokenizer: what `load_tokenizer` gave.
        texts: a list, not one text.

    Raises:
        ValueError: for one text, or none.
    """
    if isinstance(texts, str) or not len(texts):
        raise ValueError(f"texts must be a list of at least one text, got {texts!r:.40}; use [text]")
    ids = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    return pad_rows(ids, padding_of(tokenizer), max(1, *map(len, ids)))


def padding_of(tokenizer: Any) -> int:
    """The id of a tokenizer's [PAD] or <pad>, else 0."""
    return next((i for i in map(tokenizer.token_to_id, ("[PAD]", "<pad>")) if i is not None), 0)


def pad_rows(rows: Sequence[Sequence[int]], padding: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids int32 `[len(rows), n]`, padded, and the mask of those that are there."""
    mask = np.arange(n)[None] < np.array([len(row) for row in rows])[:, None]
    token_ids = np.full(mask.shape, padding, np.int32)
    token_ids[mask] = np.concatenate([np.array(row, np.int32) for row in rows])
    return token_ids, mask


def embed(
    params: Params,
    model: Model,
    token_ids: Array,
    *,
    mask: Array | None = None,
    layout: Layers = None,
    gates: Gates | None = None,
    implementation: str | None = None,
) -> Array:
    """One unit vector for each text: the mean of its tokens' last hidden states, divided by its length.

    Args:
        params: what `load` gave.
        model: what `load` gave.
        token_ids: as for the model, like all that follow; `tokenize` makes them and the mask.
        mask: see `Model`.
        layout: see `Model`.
        gates: see `Model`.
        implementation: see `Model`.

    Returns:
        `[batch, model_dim]`. A text without tokens gets zeros.

    Raises:
        ValueError: as the model.

    Reference: Reimers and Gurevych, Sentence-BERT, arXiv:1908.10084.
    """
    token_ids, keep = checked_tokens("token_ids", token_ids, mask, model.vocab_size, model.max_length)
    batch, n = token_ids.shape
    layouts = layouts_of_layers(layout, len(model.layers), (n, n), batch)
    params, model = (params, model) if gates is None else model.with_gates(params, gates)
    return run_embed(model, params, token_ids, keep, layouts, implementation)


@compiled
def run_embed(model, params, token_ids, keep, layouts, implementation) -> Array:
    """The equations of `embed`."""
    x = run_batch(model, params, token_ids, keep, None, layouts, implementation)[-1]  # [batch, n, model_dim]
    x = x if keep is None else jnp.where(keep[..., None], x, 0)
    # [batch, model_dim]; the length of the sum is that of the mean but for a factor. Its square is beyond float16.
    total = x.astype(wide_dtype(x.dtype)).sum(1)
    square = (total * total).sum(-1, keepdims=True)
    return (total * jnp.where(square > 0, jnp.where(square > 0, square, 1) ** -0.5, 0)).astype(x.dtype)
