"""Omniglot's strokes, with labels and without."""

import numpy as np

from tgnn.datasets import omniglot


def test_omniglot_counts(data_dir):
    root = data_dir("sketch_omniglot").parent
    validation, test = omniglot.load("validation", root), omniglot.load("test", root)
    assert len(validation) == len(test) == 1000
    assert max(map(len, validation)) == 157 and all(drawing.dtype == np.int16 for drawing in validation)
