"""QuickDraw's drawings, and raw ones of one's own."""

import json

import numpy as np
import pytest

from tgnn.datasets import quickdraw


def test_quickdraw_counts(data_dir):
    root = data_dir("quickdraw_small").parent
    train, validation = quickdraw.load("train", root), quickdraw.load("validation", root)
    assert (len(train.labels), len(validation.labels), len(train.class_names)) == (5980, 1324, 345)
    assert not set(train.key_ids.tolist()) & set(validation.key_ids.tolist())
    n_point = np.concatenate([train.n_point, validation.n_point])
    assert round(n_point.mean()) == 41 and n_point.max() == 535
    assert len(np.unique(train.labels)) == len(np.unique(validation.labels)) == 345


def test_raw_drawings_are_simplified_to_the_stored_ones(data_dir):
    root = data_dir("quickdraw_small")
    raw = quickdraw.from_ndjson([root / "raw_police_car.ndjson", root / "raw_cat.ndjson"])
    stored = quickdraw.load("train", root.parent)  # which lacks what is for validation or held out
    assert raw.class_names == ("cat", "police car") and len(raw.labels) == 48
    _, here, there = np.intersect1d(raw.key_ids, stored.key_ids, return_indices=True)
    assert len(here) == 31
    ours, theirs = quickdraw.take_drawings(raw, here), quickdraw.take_drawings(stored, there)
    np.testing.assert_array_equal(ours.points, theirs.points)
    np.testing.assert_array_equal(ours.stroke_end, theirs.stroke_end)
    assert [raw.class_names[i] for i in ours.labels] == [stored.class_names[i] for i in theirs.labels]


def test_simplify_keeps_corners_ends_and_single_points():
    line = np.array([[10.0, 10], [20, 10], [30, 10], [30, 60]])
    assert [stroke.tolist() for stroke in quickdraw.simplify([line, line[:1]])] == [
        [[0, 0], [102, 0], [102, 255]],
        [[0, 0]],
    ]
    loop = np.array([[0.0, 0], [255, 0], [0, 0]])
    assert quickdraw.simplify([loop])[0].tolist() == [[0, 0], [255, 0], [0, 0]]
    assert quickdraw.simplify([np.array([[7.0, 7]])])[0].tolist() == [[0, 0]]


RIGHT = {"word": "cat", "key_id": "1", "recognized": True, "drawing": [[[0, 9, 9], [0, 0, 7.5], [1, 2, 3]]]}
WRONG = [
    {"drawing": []},
    {"drawing": [[[0, None], [0, 1]]]},
    {"drawing": [[[0, True], [0, 1]]]},
    {"drawing": [[[0, "1"], [0, 1]]]},
    {"drawing": [[[0, float("nan")], [0, 1]]]},
    {"drawing": [[[0, float("inf")], [0, 1]]]},
    {"drawing": [[[0, 1], [0]]]},
    {"drawing": [[[0, 1]]]},
    {"drawing": [[[], []]]},
    {"drawing": [[[[0]], [[0]]]]},
    {"drawing": None},
    {"word": None},
    {"key_id": 1.5},
    {"key_id": None},
    {"key_id": str(2**64)},
    {"recognized": "false"},
    {"recognized": 1},
]


@pytest.mark.parametrize("line", ["{}", "no json", "[" * 10**5, *(json.dumps(RIGHT | wrong) for wrong in WRONG)])
def test_a_line_that_is_no_drawing_is_named(tmp_path, line):
    (tmp_path / "cat.ndjson").write_text(line + "\n")
    with pytest.raises(ValueError, match="cat.ndjson, line 1 is not a QuickDraw drawing"):
        quickdraw.from_ndjson([tmp_path / "cat.ndjson"])


def test_drawings_of_other_classes_are_refused(data_dir):
    with pytest.raises(ValueError, match=r"\['cat'\] beside class_names"):
        quickdraw.from_ndjson([data_dir("quickdraw_small") / "raw_cat.ndjson"], ["dog"])


def test_blank_lines_carriage_returns_and_unicode_line_ends_are_read(tmp_path):
    word = "a\u2028b"
    lines = [json.dumps(RIGHT), "", json.dumps(RIGHT | {"word": word, "key_id": 2}, ensure_ascii=False), "", ""]
    (tmp_path / "some.ndjson").write_bytes("\ufeff".encode() + "\r\n".join(lines).encode())
    drawings = quickdraw.from_ndjson(tmp_path / "some.ndjson")
    assert drawings.class_names == (word, "cat") and drawings.key_ids.tolist() == [1, 2]
    assert len(drawings) == 2 and drawings[0].points.tolist() == [[0, 0], [255, 0], [255, 212]]
    with pytest.raises(ValueError, match="expected a path on this machine"):
        quickdraw.from_ndjson(["gs://bucket/cat.ndjson"])
    with pytest.raises(ValueError, match="stands there twice"):
        quickdraw.from_ndjson([tmp_path / "some.ndjson"], ["cat", "cat", word])


@pytest.mark.parametrize("strokes", [[], [np.zeros((0, 2))], [np.zeros((2, 3))], [np.array([[0, np.nan]])]])
def test_strokes_without_points_or_numbers_are_refused(strokes):
    with pytest.raises(ValueError, match="strokes have"):
        quickdraw.simplify(strokes)


def test_coordinates_of_small_integers_do_not_overflow():
    wide = np.array([[-100, 0], [0, 90], [100, 0]], np.int8)
    assert quickdraw.simplify([wide])[0].tolist() == quickdraw.simplify([wide.astype(float)])[0].tolist()
