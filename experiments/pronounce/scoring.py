"""How wrong a pronunciation is."""

from collections.abc import Sequence


def edit_distance(said: Sequence, reference: Sequence) -> int:
    """Insertions, deletions and substitutions that turn one sequence into the other (Levenshtein)."""
    above = list(range(len(reference) + 1))
    for i, one in enumerate(said, start=1):
        row = [i]
        for j, other in enumerate(reference, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (one != other)))
        above = row
    return above[-1]


def error_rates(said: Sequence[Sequence], alternatives: Sequence[Sequence[Sequence]]) -> dict[str, float]:
    """Phoneme and word error rates; each word counts against the alternative that it is nearest to.

    Args:
        said: one sequence per word.
        alternatives: for each word the accepted ones.

    Returns:
        "phoneme_error", edits over the length of the references, and "word_error", the share of words with an edit.
    """
    edits = length = wrong = 0
    for one, accepted in zip(said, alternatives, strict=True):
        fewest, reference = min(((edit_distance(one, other), other) for other in accepted), key=lambda pair: pair[0])
        edits, length, wrong = edits + fewest, length + len(reference), wrong + (fewest > 0)
    return {"phoneme_error": edits / length, "word_error": wrong / len(said)}
