"""SICK's pairs of sentences."""

import numpy as np
import pytest

from tgnn.datasets import sick


def test_sick_counts(data_dir):
    root = data_dir("sick").parent
    train, validation = sick.load("train", root), sick.load("validation", root)
    assert (len(train.first), len(validation.second)) == (4500, 500)
    assert np.bincount(train.entailment).tolist() == [665, 2536, 1299]
    assert train.first[0][:4] == ("A", "group", "of", "kids") and train.relatedness[0] == 4.5


HEADER = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"


@pytest.mark.parametrize(
    "content",
    ["", "a\tb\n1\t2\n", HEADER, HEADER + "1\ta\tb\t9\tNEUTRAL\n", HEADER + "1\ta\tb\t3\tMAYBE\n", HEADER + "1\ta\n"],
)
def test_pairs_out_of_range_or_cut_off_are_refused(content):
    with pytest.raises(ValueError, match="SICK.txt.* get it again"):
        sick.parse_pairs("SICK.txt", content)


def test_the_test_file_is_read_under_either_name_with_carriage_returns(tmp_path):
    (tmp_path / "sick").mkdir()
    text = "\ufeff" + HEADER + "\n1\ta\u2028b c\tc\t3\tNEUTRAL\n"
    for name in ("SICK_test.txt", "SICK_test_annotated.txt"):
        (tmp_path / "sick" / name).write_bytes(text.replace("\n", "\r\n").encode())
        pairs = sick.load("test", tmp_path)
        assert len(pairs) == 1 and pairs[0].first == ("a\u2028b", "c") and pairs.relatedness == [3]
        (tmp_path / "sick" / name).unlink()


@pytest.mark.parametrize("row", ["1\t\tb\t3\tNEUTRAL", "1\ta\tb\tnan\tNEUTRAL", "1\ta\tb\t3\tNEUTRAL\tmore"])
def test_rows_without_words_or_numbers_are_refused(row):
    with pytest.raises(ValueError, match="SICK.txt.* get it again"):
        sick.parse_pairs("SICK.txt", HEADER + row + "\n")
