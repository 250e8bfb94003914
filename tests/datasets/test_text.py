"""Texts as characters."""

import numpy as np
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


def test_a_byte_order_mark_is_no_character(tmp_path):
    (tmp_path / "own.txt").write_bytes("abc".encode("utf-8-sig"))
    assert text.load(tmp_path / "own.txt", 0.5).vocabulary == text.from_text("\ufeffabc", 0.5).vocabulary == "abc"
    assert text.from_text("ab\ufeffc").vocabulary == "abc\ufeff"


def test_a_second_text_is_the_test(tmp_path):
    (tmp_path / "own.txt").write_text("abab")
    (tmp_path / "other.txt").write_text("acb")
    characters = text.load(tmp_path / "own.txt", 0.5, test=tmp_path / "other.txt")
    assert characters.vocabulary == "abc" and characters.test.tolist() == [0, 2, 1]
    assert text.load(tmp_path / "own.txt", 0.5).test is None
    with pytest.raises(ValueError, match="empty test text"):
        text.from_text("abab", test="")
    with pytest.raises(FileNotFoundError, match="none.txt is not a file"):
        text.load(tmp_path / "own.txt", test=tmp_path / "none.txt")


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint32, np.int64, np.uint64])
def test_tokens_of_every_integer_type_are_decoded(dtype):
    vocabulary = "".join(map(chr, range(65, 365)))
    assert text.decode(np.array([0, 100], dtype), vocabulary) == "A" + vocabulary[100]
    for tokens in ([-1], [300], [0.5]):
        with pytest.raises(ValueError, match="decode has tokens"):
            text.decode(np.array(tokens), vocabulary)
    with pytest.raises(ValueError, match="a character twice"):
        text.encode("a", "aa")


def test_the_size_of_a_text_is_asked_before_it_is_read(tmp_path):
    path = tmp_path / "long.txt"
    with path.open("wb") as file:
        file.truncate(3 << 30)  # with holes: it takes no room
    with pytest.raises(ValueError, match="long.txt unpacks to more than 268435456 bytes.*cut it into parts"):
        text.load(path)
    with pytest.raises(ValueError, match="path is 's3://bucket/long.txt', expected a path on this machine"):
        text.load("s3://bucket/long.txt")
