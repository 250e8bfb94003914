"""Omniglot's strokes, with labels and without."""

import numpy as np
import pytest

from tgnn.datasets import gestures, omniglot, omniglot_strokes


def test_omniglot_counts(data_dir):
    root = data_dir("sketch_omniglot").parent
    validation, test = omniglot.load("validation", root), omniglot.load("test", root)
    assert len(validation) == len(test) == 1000
    assert max(map(len, validation)) == 157 and all(drawing.dtype == np.int16 for drawing in validation)


def test_labelled_strokes_counts(data_dir):
    data = omniglot_strokes.load(data_dir("omniglot_strokes").parent)
    assert (len(data), len(data.class_names), len(data.alphabet_names)) == (4840, 242, 8)
    assert (np.bincount(data.labels) == 20).all() and round(data.n_point.mean()) == 149
    assert round(data.stroke_end.sum() / len(data), 2) == 2.65 and data[7].drawers == 8


def test_gestures_counts(data_dir):
    root = data_dir("gestures_mmg").parent
    train, validation = gestures.load("train", root), gestures.load("validation", root)
    assert len(train) + len(validation) == 7678 and len(train.class_names) == 16
    assert len(np.unique(train.subjects)) == 13 and len(np.unique(validation.subjects)) == 3
    assert not set(train.subjects) & set(validation.subjects)
    assert set(train.speeds.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("name", ["mmg_test.npz", "mmg_heldout.npz"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, None),
        ({"speed": [3]}, r"speeds\[0\] = 3, outside \[0, 3\)"),
        ({"label": [1]}, r"labels\[0\] = 1, outside \[0, 1\)"),
        ({"stroke_end": [1, 0]}, "ends within a stroke"),
        ({"points": [[0, 1], [2, 256]]}, r"points\[3\] = 256"),
        ({"num_points": [3]}, r"n_point\[0\] = 3, outside"),
    ],
)
def test_a_test_file_of_gestures_is_read_and_checked(tmp_path, name, changes, message):
    parts = {"points": [[0, 1], [2, 3]], "stroke_end": [0, 1], "num_points": [2], "label": [0], "class_names": ["D"]}
    (tmp_path / "gestures_mmg").mkdir()
    np.savez(tmp_path / "gestures_mmg" / name, **(parts | {"subject": [7], "speed": [2]} | changes))
    if message is None:
        drawings = gestures.load("test", tmp_path)
        assert len(drawings) == 1 and drawings.points.dtype == np.uint8 and drawings.subjects.tolist() == [7]
        return
    with pytest.raises(ValueError, match=message):
        gestures.load("test", tmp_path)
