"""Lines, words and numbers of text files are what they are, not what Python makes of them."""

import pytest

from tgnn.datasets.files.lines import integer, numbered_lines, real, split_lines, words_of


def test_lines_end_at_newlines_only():
    text = "\ufeffa\r\n \n\nb\u2028c\x0bd\x85e\n"
    assert split_lines(text) == ["a", " ", "", "b\u2028c\x0bd\x85e"]
    assert numbered_lines(text) == [(1, "a"), (4, "b\u2028c\x0bd\x85e")]
    assert words_of(" a\u00a0b  c\td ") == ("a\u00a0b", "c", "d")
    assert split_lines("") == []


def test_numbers_are_taken_strictly():
    assert [integer("-12"), integer("0"), real("-1.5e3"), real("2")] == [-12, 0, -1500.0, 2.0]
    for word in ("1_0", "+1", " 1", "١", "1.0", "", "-", "--1", "9" * 20):
        with pytest.raises(ValueError, match="not an integer"):
            integer(word)
    for word in ("1_0.5", "nan", "inf", "1e999", "x", "١"):
        with pytest.raises(ValueError):
            real(word)
