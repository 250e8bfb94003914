"""Texts as characters."""

import pytest

from tgnn.datasets import shakespeare, text


def test_shakespeare_counts(data_dir):
    plays = shakespeare.load(data_dir("tinyshakespeare").parent)
    assert len(plays.train) + len(plays.validation) == 1_115_394 and len(plays.vocabulary) == 65
    assert len(plays.train) == 1_003_854
    assert text.decode(plays.train[:14], plays.vocabulary) == "First Citizen:"


def test_any_text_file(tmp_path):
    (tmp_path / "own.txt").write_text("añb" * 10, encoding="utf-8")
    characters = text.load(tmp_path / "own.txt", 0.5)
    assert characters.vocabulary == "abñ" and len(characters.train) == len(characters.validation) == 15
    with pytest.raises(ValueError, match="text has 'x', which are not in the vocabulary"):
        text.encode("ax", characters.vocabulary)
    with pytest.raises(ValueError, match="leaves a part empty"):
        text.from_text("a")
    with pytest.raises(FileNotFoundError, match="none.txt is not a file"):
        text.load(tmp_path / "none.txt")
