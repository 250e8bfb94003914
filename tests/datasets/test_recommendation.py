"""Gowalla and LastFM: who chose what."""

import numpy as np
import pytest

from tgnn.datasets import gowalla, lastfm
from tgnn.datasets.interactions import from_pairs, parse_lists


@pytest.mark.slow
def test_gowalla_counts(data_dir):
    train = gowalla.load("train", data_dir("gowalla").parent)
    assert (len(train), train.num_users, train.num_items) == (810_128, 29_858, 40_981)
    assert len(np.unique(train.users)) == 29_858 and train[0].users == 0


def test_lastfm_counts(data_dir):
    root = data_dir("lastfm").parent
    train, test = lastfm.load("train", root), lastfm.load("test", root)
    assert (len(train), len(test), train.num_users, train.num_items) == (42_135, 10_533, 1_892, 4_489)
    assert train.counts.min() == 1 and train[:2].counts.tolist() == [993, 957]
    senders, receivers = lastfm.friends(root)
    assert len(senders) == 25_434
    assert {*zip(senders.tolist(), receivers.tolist(), strict=True)} == {
        *zip(receivers.tolist(), senders.tolist(), strict=True)
    }


def test_the_published_lists_are_read_too(tmp_path):
    (tmp_path / "gowalla").mkdir()
    (tmp_path / "gowalla" / "test.txt").write_bytes(b"0 7 3\r\n\r\n2\r\n5 40980\r\n")
    test = gowalla.load("test", tmp_path)
    assert (test.users.tolist(), test.items.tolist()) == ([0, 0, 5], [7, 3, 40980])
    with pytest.raises(FileNotFoundError, match="gowalla_train.npz .*Data/gowalla/train.txt as gowalla/train.txt"):
        gowalla.load("train", tmp_path)
    with pytest.raises(ValueError, match="expected one of 'train', 'test'"):
        gowalla.load("validation", tmp_path)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([[2, 0]], r"users\[0\] = 2, outside \[0, 2\)"),
        ([[0, -1]], r"items\[0\] = -1, outside \[0, 3\)"),
        ([[0, 1], [1, 1], [0, 1]], "a pair of user and item twice"),
        ([[0, 1, 1]], r"pairs of shape \(1, 3\)"),
    ],
)
def test_pairs_outside_of_the_sets_or_twice_are_refused(pairs, message):
    with pytest.raises(ValueError, match=message):
        from_pairs("file", np.array(pairs), 2, 3)
    with pytest.raises(ValueError, match="file, line 1 is not `user item item ...`"):
        parse_lists("file", "0 x\n")
