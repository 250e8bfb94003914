"""BLEU by sacrebleu (Post, A Call for Clarity in Reporting BLEU Scores, arXiv:1804.08771)."""

from collections.abc import Sequence
from typing import Any


def bleu(said: Sequence[str], references: Sequence[str]) -> float:
    """Corpus BLEU, 0 to 100, of sentences that are tokenised and in small letters already.

    Raises:
        ModuleNotFoundError: the package sacrebleu is missing; install `tgnn[experiments]`.
    """
    return metric().corpus_score(list(said), [list(references)]).score


def signature() -> str:
    """How the score is computed, as sacrebleu writes it."""
    counted = metric()
    counted.corpus_score(["a"], [["a"]])
    return str(counted.get_signature())


def metric() -> Any:
    """The words as they stand, which is what `force` says that we mean."""
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ModuleNotFoundError:
        raise ModuleNotFoundError("BLEU needs the package sacrebleu: pip install 'tgnn[experiments]'") from None
    return BLEU(tokenize="none", lowercase=True, force=True)
