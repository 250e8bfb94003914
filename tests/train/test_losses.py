import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.compilations import no_compilation
from tgnn.train import losses

# Compiled once for all tests, with the gradient by the logits.
cross_entropy_and_gradient = jax.jit(jax.value_and_grad(losses.cross_entropy))


def reference_cross_entropy(logits, labels, mask, label_smoothing):
    """A float64 loop over the definition."""
    terms = []
    for row, label, keep in zip(np.asarray(logits, np.float64), labels, mask, strict=True):
        if keep and 0 <= label < len(row):
            log_p = row - np.log(np.sum(np.exp(row)))
            target = np.full(len(row), label_smoothing / len(row))
            target[label] += 1 - label_smoothing
            terms.append(-np.sum(target * log_p))
    return np.mean(terms)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_cross_entropy_equals_a_loop_and_skips_labels_out_of_range(label_smoothing):
    logits = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    labels = np.array([0, 4, -1, 5, 2, 1, -100])
    mask = np.array([True, True, True, True, False, True, True])
    got = losses.cross_entropy(logits, labels, mask, label_smoothing)
    np.testing.assert_allclose(got, reference_cross_entropy(logits, labels, mask, label_smoothing), rtol=1e-6)


def test_cross_entropy_of_huge_logits_and_excluded_classes_is_finite():
    logits = jnp.array([[1e4, 0.0, -jnp.inf], [0.0, 1e4, -jnp.inf]])
    loss, gradient = cross_entropy_and_gradient(logits, jnp.array([0, 0]))
    assert float(loss) == 5000.0
    np.testing.assert_array_equal(gradient, [[0, 0, 0], [-0.5, 0.5, 0]])


@pytest.mark.nans
@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e30])
def test_rows_that_are_dropped_change_neither_loss_nor_gradient(poison):
    labels, mask = jnp.array([1, -1, 2, 0]), jnp.array([True, True, False, True])
    clean = jnp.arange(12.0).reshape(4, 3)
    dirty = clean.at[jnp.array([1, 2])].set(poison)
    expected, expected_gradient = cross_entropy_and_gradient(clean, labels, mask)
    got, gradient = cross_entropy_and_gradient(dirty, labels, mask)
    assert got == expected
    np.testing.assert_array_equal(gradient, expected_gradient)
    np.testing.assert_array_equal(gradient[jnp.array([1, 2])], 0)


@pytest.mark.nans
@pytest.mark.parametrize(
    "loss", [losses.mean_absolute_error, losses.mean_squared_error, losses.binary_cross_entropy, losses.cross_entropy]
)
def test_an_empty_mask_gives_loss_zero_and_gradient_zero(loss):
    predictions = jnp.full((3, 2), jnp.nan)
    targets = jnp.zeros(3, int) if loss is losses.cross_entropy else jnp.zeros((3, 2))
    value, gradient = jax.jit(jax.value_and_grad(loss))(predictions, targets, jnp.zeros(3, bool))
    assert value == 0
    np.testing.assert_array_equal(gradient, jnp.zeros((3, 2)))


@pytest.mark.slow
def test_no_rows_at_all_give_zero():
    assert losses.cross_entropy(jnp.zeros((0, 3)), jnp.zeros(0, int)) == 0
    assert losses.accuracy(jnp.zeros((0, 3)), jnp.zeros(0, int)) == 0
    assert losses.mean_squared_error(jnp.zeros((0, 3)), jnp.zeros((0, 3))) == 0
    assert losses.accuracy(jnp.zeros((2, 0)), jnp.array([0, -1])) == 0
    assert losses.cross_entropy(jnp.zeros((2, 0)), jnp.array([0, -1])) == 0


INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


@pytest.mark.parametrize(
    ("array", "dtype"), [(np.array, dtype) for dtype in INTEGERS] + [(jnp.array, dtype) for dtype in INTEGERS[:6]]
)
def test_labels_of_every_integer_type_count_beside_more_classes_than_the_type_holds(dtype, array):
    labels = array([100, 110], dtype)
    logits = jnp.zeros((2, 345)).at[0, 100].set(1.0)
    expected = np.mean([np.log(344 + np.e) - 1, np.log(345)])
    np.testing.assert_allclose(losses.cross_entropy(logits, labels), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(losses.cross_entropy)(logits, labels), expected, rtol=1e-6)
    assert losses.accuracy(logits, labels) == 0.5
    np.testing.assert_allclose(losses.cross_entropy(jnp.zeros((1, 256)), array([65], dtype)), np.log(256), rtol=1e-6)


@pytest.mark.slow
def test_labels_beyond_32_bits_are_no_classes():
    labels = np.array([2**32 + 1, 0, -(2**32), 2**31])
    logits = jnp.array([[0.0, 9.0], [0.0, 0.0], [9.0, 0.0], [9.0, 0.0]])
    assert losses.cross_entropy(logits, labels) == pytest.approx(np.log(2))
    assert losses.accuracy(logits, labels) == 1


def test_a_list_serves_as_labels():
    assert losses.accuracy(jnp.array([[0.0, 1.0], [1.0, 0.0]]), [1, -1]) == 1


@pytest.mark.slow
@pytest.mark.nans
def test_a_row_with_a_nan_has_no_largest_logit():
    assert losses.accuracy(jnp.full((2, 3), jnp.nan), jnp.array([0, 0])) == 0
    logits = jnp.array([[2.0, 1.0, 0.0], [jnp.nan, 1.0, 0.0], [0.0, 1.0, jnp.nan], [jnp.nan, 0.0, 0.0]])
    assert losses.accuracy(logits, jnp.array([0, 0, 1, -1])) == pytest.approx(1 / 3)
    assert losses.accuracy(jnp.array([[jnp.inf, 0.0], [-jnp.inf, 0.0]]), jnp.array([0, 1])) == 1


@pytest.mark.nans
def test_a_mean_does_not_see_values_that_are_dropped():
    keep = jnp.array([True, True, False])
    mean, gradient = jax.value_and_grad(losses.masked_mean)(jnp.array([1.0, 3.0, jnp.nan]), keep)
    assert mean == 2 and gradient.tolist() == [0.5, 0.5, 0]


LOSSES = [losses.binary_cross_entropy, losses.mean_absolute_error, losses.mean_squared_error]


@pytest.mark.nans
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_masked_elements_equal_deleted_ones(loss, poison):
    predictions = np.array([0.5, -2.0, 3.0, 1.0], np.float32)
    targets = np.array([1.0, 0.0, 0.5, 0.0], np.float32)
    keep = np.array([True, False, True, False])
    dirty = np.where(keep, predictions, poison).astype(np.float32), np.where(keep, targets, -poison).astype(np.float32)
    function = jax.value_and_grad(loss, argnums=(0, 1))
    value, gradients = function(*dirty, keep)
    expected, expected_gradients = function(predictions[keep], targets[keep])
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    for got, wanted in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(got[keep], wanted, rtol=1e-6)
        np.testing.assert_array_equal(got[~keep], 0)


@pytest.mark.parametrize("loss", LOSSES)
def test_integers_and_half_precision_are_taken_as_the_numbers_that_they_are(loss):
    predictions, targets = np.array([200, 3, 0]), np.array([1, 0, 1])
    expected = loss(predictions.astype(np.float32), targets.astype(np.float32))
    for dtype in [np.uint8, np.int32, jnp.bfloat16, np.float16]:
        got = loss(predictions.astype(dtype), targets.astype(np.uint8))
        assert got == expected and got.dtype == jnp.float32


@pytest.mark.parametrize("size", [1e4, 1e30, float(np.finfo(np.float32).max)])
def test_extreme_logits_give_finite_losses_and_gradients(size):
    logits = jnp.array([[size, -size, 0.0], [-size, size, 0.0]])
    loss, gradient = cross_entropy_and_gradient(logits, jnp.array([0, 1]))
    assert loss == 0
    np.testing.assert_array_equal(gradient, 0)
    loss, gradient = jax.value_and_grad(losses.binary_cross_entropy)(logits[0], jnp.array([1.0, 0.0, 0.5]))
    np.testing.assert_allclose(loss, np.log(2) / 3, rtol=1e-6)
    np.testing.assert_array_equal(gradient, 0)


def test_losses_are_the_same_for_a_logit_shifted_by_a_constant():
    logits, labels = jnp.array([[0.5, -1.0, 2.0]]), jnp.array([1])
    np.testing.assert_allclose(
        losses.cross_entropy(logits + 512, labels), losses.cross_entropy(logits, labels), rtol=1e-6
    )


@pytest.mark.slow
def test_a_second_eager_call_compiles_nothing():
    logits, labels, mask = jnp.zeros((3, 4)), np.array([0, 2, -1], np.int8), np.array([True, True, False])

    def call():
        losses.cross_entropy(logits, labels, mask, 0.1)
        losses.accuracy(logits, labels, mask)
        losses.masked_mean(logits, mask)
        for loss in LOSSES:
            loss(logits, logits, mask)

    call()
    with no_compilation():
        call()


def test_accuracy_counts_live_labels_only():
    logits = jnp.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    labels = jnp.array([1, 1, -1, 2, 1])
    assert losses.accuracy(logits, labels) == pytest.approx(2 / 3)
    assert losses.accuracy(logits, labels, jnp.array([True, False, True, True, True])) == 1


def test_errors_of_regression_equal_their_definitions():
    predictions, targets = (
        jnp.array([[1.0, 5.0], [2.0, -1.0], [9.0, 9.0]]),
        jnp.array([[0.0, 1.0], [4.0, 1.0], [0.0, 0.0]]),
    )
    mask = jnp.array([True, True, False])
    assert losses.mean_absolute_error(predictions, targets, mask) == (1 + 4 + 2 + 2) / 4
    assert losses.mean_squared_error(predictions, targets, mask) == (1 + 16 + 4 + 4) / 4
    elementwise = jnp.array([[True, False], [False, True], [False, False]])
    assert losses.mean_absolute_error(predictions, targets, elementwise) == (1 + 2) / 2


def test_binary_cross_entropy_equals_its_definition_and_survives_extremes():
    logits, targets = np.array([-2.0, 0.5, 3.0]), np.array([0.0, 1.0, 0.25])
    p = 1 / (1 + np.exp(-logits))
    expected = -np.mean(targets * np.log(p) + (1 - targets) * np.log(1 - p))
    np.testing.assert_allclose(losses.binary_cross_entropy(logits, targets), expected, rtol=1e-6)
    assert losses.binary_cross_entropy(jnp.array([1e4, -1e4]), jnp.array([1.0, 0.0])) == 0


def test_binary_cross_entropy_of_certain_answers():
    both = jax.value_and_grad(losses.binary_cross_entropy, argnums=(0, 1))
    loss, gradients = both(jnp.array([jnp.inf, -jnp.inf]), jnp.array([1.0, 0.0]))
    assert loss == 0 and all((x == 0).all() for x in gradients)
    for targets in ([0.0, 0.0], [0.5, 0.0], [1.0, 1.0]):
        assert both(jnp.array([jnp.inf, -jnp.inf]), jnp.array(targets))[0] == jnp.inf
    logits, targets = jnp.array([-2.0, 0.5, 40.0]), jnp.array([0.0, 1.0, 0.25])
    _, (to_logits, to_targets) = both(logits, targets)
    np.testing.assert_allclose(to_logits, (jax.nn.sigmoid(logits) - targets) / 3, rtol=1e-6)
    np.testing.assert_allclose(to_targets, -logits / 3, rtol=1e-6)


def test_bfloat16_is_averaged_in_float32():
    values = jnp.ones(4099, jnp.bfloat16)  # a bfloat16 sum of ones stops growing at 256
    mean = losses.masked_mean(values)
    assert mean == 1 and mean.dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.cross_entropy(jnp.zeros((3, 2)), jnp.zeros(3)), "labels must be integer"),
        (lambda: losses.cross_entropy(jnp.zeros((3, 2)), jnp.zeros(2, int)), "labels have shape"),
        (lambda: losses.cross_entropy(jnp.zeros((3, 2)), jnp.zeros(3, int), label_smoothing=1.0), "label_smoothing"),
        (lambda: losses.masked_mean(jnp.zeros(3), jnp.ones(3)), "mask must be boolean"),
        (lambda: losses.masked_mean(jnp.zeros(3), jnp.ones(1, bool)), "mask has shape"),
        (lambda: losses.mean_squared_error(jnp.zeros((3, 1)), jnp.zeros(3)), "targets"),
    ],
)
def test_bad_input_is_a_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.nans
def test_bpr_is_the_likelihood_of_every_order():
    positive, negative = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    mask = np.arange(5) != 2
    expected = np.log1p(np.exp(negative[mask].astype(np.float64) - positive[mask])).mean()
    positive[2], negative[2] = np.inf, np.nan
    np.testing.assert_allclose(losses.bpr_loss(positive, negative, mask), expected, rtol=1e-6)
    assert losses.bpr_loss(np.float32([1e4, 0]), np.float32([0, 1e4])) == 5000.0
    with pytest.raises(ValueError, match=r"positive have shape \(5, 3\) but negative \(5, 2\)"):
        losses.bpr_loss(positive, negative[:, :2])


def test_the_remedy_for_labels_fits_their_type():
    remedies = {"<U1": "np.unique", "bool": r"labels.astype\(int\)", "float64": "argmax of one-hot rows"}
    for labels in (np.array(["a", "b"]), np.array([True, False]), np.array([0.0, 1.0])):
        with pytest.raises(
            ValueError, match=f"labels must be integer classes, got {labels.dtype}; .*{remedies[str(labels.dtype)]}"
        ):
            losses.cross_entropy(jnp.ones((2, 2)), labels)
