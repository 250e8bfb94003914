"""Ten folds, and how their accuracies become one number."""

from typing import NamedTuple

import numpy as np

NUM_FOLDS = 10


class Folds(NamedTuple):
    """Which graphs each fold may train on, and which it is scored on: bool [10, n_graph] each."""

    test: np.ndarray
    validation: np.ndarray  # the test graphs of the next fold


def make_folds(folds: tuple[tuple[np.ndarray, np.ndarray], ...], n_graph: int) -> Folds:
    """From the pairs of train and test indices that a data set comes with."""
    test = np.stack([np.isin(np.arange(n_graph), part) for _, part in folds])
    return Folds(test, np.roll(test, -1, axis=0))


def train_masks(folds: Folds) -> np.ndarray:
    """What 20 networks train on: ten on all but the test graphs, ten without the validation graphs too."""
    return np.concatenate([~folds.test, ~folds.test & ~folds.validation])


class Score(NamedTuple):
    """One number for each fold."""

    accuracies: np.ndarray  # [10]
    epochs: np.ndarray  # [10], counted from 1


def best_common_epoch(test: np.ndarray) -> Score:
    """The rule of the GIN paper: the one epoch whose accuracy, averaged over the ten test folds, is highest.

    The test folds choose the epoch, so this is no estimate of what a new graph would get.

    Args:
        test: [10, num_epochs] accuracies on the test graphs.
    """
    epoch = int(test.mean(axis=0).argmax())
    return Score(test[:, epoch], np.full(len(test), epoch + 1))


def best_validation_epoch(test: np.ndarray, validation: np.ndarray) -> Score:
    """The strict rule: for each fold the first epoch that is best on its validation graphs, which it did not train on.

    Args:
        test: [10, num_epochs].
        validation: [10, num_epochs].
    """
    epochs = validation.argmax(axis=1)
    return Score(test[np.arange(len(test)), epochs], epochs + 1)
