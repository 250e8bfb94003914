"""Pieces of words that two languages share: byte pair encoding, learned from the training text alone.

Sennrich, Haddow and Birch, Neural Machine Translation of Rare Words with Subword Units, arXiv:1508.07909. A word begins
with "▁": with a mark at its end instead, the package breaks ties in another order each time.
"""

from collections.abc import Iterable, Sequence

import numpy as np

UNKNOWN, START, END = 0, 1, 2
SPECIAL = ["[UNK]", "[START]", "[END]"]


class Vocabulary:
    """Sentences to ids and back.

    Args:
        texts: sentences with spaces between words; the same ones give the same pieces.
        size: how many pieces, at most.

    Raises:
        ModuleNotFoundError: the package tokenizers is missing; install `tgnn[hf]`.
    """

    def __init__(self, texts: Iterable[str], size: int):
        try:
            from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
        except ModuleNotFoundError:
            raise ModuleNotFoundError("pieces of words need the package tokenizers: pip install 'tgnn[hf]'") from None
        self.tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
        self.tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()  # pyright: ignore
        self.tokenizer.decoder = decoders.Metaspace()  # pyright: ignore
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False)  # pyright: ignore
        self.tokenizer.train_from_iterator(texts, trainer)

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size()

    def ids(self, sentences: Sequence[str]) -> list[np.ndarray]:
        """The pieces of each sentence, int32 `[n]`."""
        return [np.array(found.ids, np.int32) for found in self.tokenizer.encode_batch(list(sentences))]

    def pieces(self, sentence: str) -> list[str]:
        """The same as they are written."""
        return self.tokenizer.encode(sentence).tokens

    def sentence(self, ids: Iterable[int]) -> str:
        """The words of the pieces before the first END."""
        ids = [int(i) for i in ids]
        return self.tokenizer.decode(ids[: ids.index(END)] if END in ids else ids)
