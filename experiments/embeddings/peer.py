"""The original: `transformers` with torch, in batches of the same sentences."""

# pyright: reportMissingImports=false

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tgnn.pretrained.sentences import pad_rows, padding_of


def load_peer(folder: Path, threads: int) -> Callable[..., np.ndarray] | None:
    """`(tokenizer, batch_size, multiple, texts) -> vectors [n, dim]` of the original, or None where it is missing."""
    try:
        import torch
        from transformers import AutoModel
    except ImportError:
        return None
    torch.set_num_threads(threads)
    model: Any = AutoModel.from_pretrained(folder).eval()

    def run(tokenizer: Any, batch_size: int, multiple: int, texts: Sequence[str]) -> np.ndarray:
        rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
        order = np.argsort([len(row) for row in rows], kind="stable")
        found = []
        with torch.inference_mode():
            for start in range(0, len(rows), batch_size):
                batch = [rows[i] for i in order[start : start + batch_size]]
                n = -(-max(map(len, batch)) // multiple) * multiple
                ids, mask = (torch.from_numpy(x) for x in pad_rows(batch, padding_of(tokenizer), n))
                hidden = model(input_ids=ids.long(), attention_mask=mask.long()).last_hidden_state
                total = (hidden * mask[..., None]).sum(1)  # [batch, dim]
                found.append(torch.nn.functional.normalize(total, dim=1))
        return torch.cat(found).numpy()[np.argsort(order)]

    return run
