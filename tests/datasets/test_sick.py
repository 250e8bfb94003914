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
