import jax.numpy as jnp
import numpy as np
import pytest

from tgnn.training import batch_indices


def test_an_epoch_sees_every_example_once_and_epochs_differ():
    epochs = [
        np.concatenate([batch_indices(step, 12, 3, seed=0) for step in range(e * 4, e * 4 + 4)]) for e in range(3)
    ]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(12))
    assert not np.array_equal(epochs[0], epochs[1]) and not np.array_equal(epochs[1], epochs[2])
    assert not np.array_equal(batch_indices(0, 12, 3, seed=0), batch_indices(0, 12, 3, seed=1))
    np.testing.assert_array_equal(batch_indices(9, 13, 4, seed=5), batch_indices(9, 13, 4, seed=5))


@pytest.mark.parametrize("integer", [np.int64, np.uint8, jnp.int32])
def test_numpys_and_jaxs_integers_are_integers(integer):
    got = batch_indices(integer(5), integer(200), integer(3), seed=integer(1))
    np.testing.assert_array_equal(got, batch_indices(5, 200, 3, seed=1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: batch_indices(0, 3, 4, seed=0), "batch_size must be in 1 to n_examples 3, got 4"),
        (lambda: batch_indices(0, 3, 0, seed=0), "batch_size must be an integer of at least 1, got 0"),
        (lambda: batch_indices(2.0, 6, 3, seed=0), "step must be an integer"),
        (lambda: batch_indices(-1, 6, 3, seed=0), "step must be an integer of at least 0, got -1"),
        (lambda: batch_indices(0, 6, 3, seed=-1), "seed must be an integer of at least 0, got -1"),
    ],
)
def test_bad_arguments_are_a_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
