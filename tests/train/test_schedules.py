import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tgnn.train import schedules

PEAK, FINAL, W, END = 3e-4, 1e-5, 7, 29


def noam(step):
    return 512**-0.5 * min((step + 1) ** -0.5, (step + 1) * W**-1.5)


def inverse_square_root(step):
    return PEAK * (step + 1) / W if step + 1 < W else PEAK * math.sqrt(W / (step + 1))


def warmup_stable_decay(step):
    if step < W:
        return PEAK * (step + 1) / W
    return PEAK + (FINAL - PEAK) * min(1, max(0, step - (END - 11)) / 11)


def warmup_cosine(step):
    if step < W:
        return PEAK * (step + 1) / W
    progress = min(1, (step - W) / (END - W))
    return FINAL + (PEAK - FINAL) * (1 + math.cos(math.pi * progress)) / 2


def hold_and_slow_decay(step):
    if step < W:
        return PEAK * (step + 1) / W
    return PEAK * (FINAL / PEAK) ** min(1, max(0, step - (END - 11)) / 11)


CASES = [
    (schedules.noam(512, W), noam),
    (schedules.inverse_square_root(PEAK, W), inverse_square_root),
    (schedules.warmup_stable_decay(PEAK, W, 11, END, FINAL), warmup_stable_decay),
    (schedules.warmup_cosine(PEAK, W, END, FINAL), warmup_cosine),
    (schedules.warmup_stable_decay(PEAK, W, 11, END, FINAL, descent="exponential"), hold_and_slow_decay),
]


@pytest.mark.parametrize(("schedule", "closed_form"), CASES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("step", [0, 1, W - 1, W, W + 1, END - 11, END - 10, END - 1, END, 10 * END])
def test_schedule_equals_its_closed_form(schedule, closed_form, step):
    np.testing.assert_allclose(schedule(step), closed_form(step), rtol=2e-6)
    np.testing.assert_allclose(jax.jit(schedule)(np.int32(step)), closed_form(step), rtol=2e-6)


@pytest.mark.parametrize(("schedule", "closed_form"), CASES, ids=lambda f: f.__name__)
def test_the_first_update_counts_and_the_peak_ends_the_warmup(schedule, closed_form):
    rates = [float(schedule(step)) for step in range(END)]
    assert rates[0] > 0
    assert max(rates) == rates[W - 1]
    assert all(later > earlier for earlier, later in zip(rates[: W - 1], rates[1:W], strict=True))


@pytest.mark.parametrize(("schedule", "closed_form"), CASES, ids=lambda f: f.__name__)
def test_rates_are_never_negative_nor_above_the_peak_under_jit(schedule, closed_form):
    steps = np.r_[np.arange(-3, 3 * END), 10 ** np.arange(2, 10), 2**31 - 1].astype(np.int32)
    rates = jax.jit(jax.vmap(schedule))(steps)
    assert rates.min() >= 0 and rates.max() <= np.float32(closed_form(W - 1)) * (1 + 1e-6)
    np.testing.assert_allclose(schedule(2**40), closed_form(2**31 - 1), rtol=2e-6)
    np.testing.assert_allclose(schedule(np.uint8(200)), closed_form(200), rtol=2e-6)


@pytest.mark.parametrize("warmup_steps", [15, 30, 51])  # of which 1/w · w rounds to more than 1
def test_no_rate_is_above_the_peak_by_a_rounding(warmup_steps):
    for schedule in [
        schedules.warmup_cosine(1e-3, warmup_steps, 99),
        schedules.warmup_stable_decay(1e-3, warmup_steps, 9, 99),
        schedules.inverse_square_root(1e-3, warmup_steps),
    ]:
        assert jax.jit(jax.vmap(schedule))(np.arange(99)).max() == np.float32(1e-3)


@pytest.mark.parametrize("decay_steps", [1, 3, 10, 17, 49, 100])
@pytest.mark.parametrize("final", [0.0, 1e-5])
def test_a_run_ends_exactly_at_the_final_rate_under_jit(decay_steps, final):
    for schedule in [
        schedules.warmup_stable_decay(1e-3, 10, decay_steps, 10 + decay_steps, final),
        schedules.warmup_cosine(1e-3, 10, 10 + decay_steps, final),
    ]:
        rates = jax.jit(jax.vmap(schedule))(10 + decay_steps + np.arange(-decay_steps, 200))
        np.testing.assert_array_equal(rates[decay_steps:], np.float32(final))
        assert np.all(np.diff(rates) <= 0) and rates.min() == np.float32(final)


def test_a_step_in_bytes_is_compared_with_boundaries_that_bytes_do_not_hold():
    schedule = schedules.warmup_stable_decay(1.0, 300, 100, 1000)
    for array in (np.asarray, jnp.asarray):
        small, signed = schedule(array(149, "uint8")), schedule(array(127, "int8"))
        assert small == signed + np.float32(22 / 300) == 0.5


def test_noam_has_the_published_peak():
    assert float(schedules.noam(512, 4000)(3999)) == pytest.approx(6.98771e-4, rel=1e-5)


def cosine(begin, end, progress):
    return end + (begin - end) * (1 + math.cos(math.pi * progress)) / 2


def one_cycle(step):
    """A third of 30 steps up, from a tenth of the peak, then down to a thousandth of that."""
    if step < 10:
        return cosine(PEAK / 10, PEAK, step / 10)
    return cosine(PEAK, PEAK / 10_000, min(step - 10, 20) / 20)


def compressive(step):
    """5 of 160 steps up."""
    if step < 5:
        return PEAK / 300 + (PEAK - PEAK / 300) * step / 5
    return cosine(PEAK, PEAK / 300, min(step - 5, 155) / 155)


@pytest.mark.parametrize(
    ("schedule", "closed_form", "peak_at"),
    [
        (schedules.one_cycle(PEAK, 30, rising=1 / 3, start_divisor=10, end_divisor=1000), one_cycle, 10),
        (schedules.compressive(160, PEAK), compressive, 5),
    ],
    ids=["one_cycle", "compressive"],
)
def test_schedules_that_begin_above_zero_equal_their_closed_forms(schedule, closed_form, peak_at):
    steps = np.r_[np.arange(-3, 200), 2**31 - 1].astype(np.int32)
    rates = np.asarray(jax.jit(jax.vmap(schedule))(steps))
    np.testing.assert_allclose(rates, [closed_form(max(step, 0)) for step in steps.tolist()], rtol=2e-5, atol=1e-12)
    assert rates.min() > 0 and rates.max() == rates[3 + peak_at] == pytest.approx(PEAK, rel=1e-6)


def test_the_compressive_transformers_schedule_scales_with_the_run():
    paper, short = schedules.compressive(), schedules.compressive(5160)
    steps = np.array([0, 80, 160, 1000, 5160])
    np.testing.assert_allclose(short(steps), paper(steps * 100), rtol=1e-5)
    assert np.float32(1e-6) == pytest.approx(float(paper(516_000)))


def test_every_schedule_is_made_from_its_name():
    assert set(schedules.SCHEDULES) == {
        "noam", "inverse_square_root", "warmup_stable_decay", "warmup_cosine", "one_cycle", "compressive"
    }  # fmt: skip
    made = schedules.make_schedule("warmup_cosine", learning_rate=PEAK, warmup_steps=W, num_steps=END)
    assert made(3) == schedules.warmup_cosine(PEAK, W, END)(3)


@pytest.mark.parametrize("warmup_steps", [0, 1])
def test_without_warmup_the_first_rate_is_the_peak(warmup_steps):
    assert schedules.warmup_cosine(PEAK, warmup_steps, END)(0) == np.float32(PEAK)
    assert schedules.warmup_stable_decay(PEAK, warmup_steps, 3, END)(0) == np.float32(PEAK)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: schedules.noam(0, 7), "model_dim"),
        (lambda: schedules.noam(512, 0), "warmup_steps"),
        (lambda: schedules.noam(512, 7, scale=-1.0), "scale"),
        (lambda: schedules.inverse_square_root(0.0, 7), "learning_rate"),
        (lambda: schedules.inverse_square_root(float("nan"), 7), "learning_rate"),
        (lambda: schedules.inverse_square_root(1.0, -1), "warmup_steps"),
        (lambda: schedules.warmup_stable_decay(1.0, -1, 3, 9), "warmup_steps"),
        (lambda: schedules.warmup_stable_decay(1.0, 2, 0, 9), "decay_steps"),
        (lambda: schedules.warmup_stable_decay(1.0, 5, 5, 9), "exceed num_steps"),
        (lambda: schedules.warmup_cosine(-1.0, 2, 9), "learning_rate"),
        (lambda: schedules.warmup_cosine(1.0, 9, 9), "num_steps"),
        (lambda: schedules.warmup_cosine(1.0, 2, 9, final_learning_rate=2.0), "final_learning_rate"),
        (lambda: schedules.warmup_stable_decay(1.0, 2, 3, 9, descent="steep"), "descent"),  # pyright: ignore
        (lambda: schedules.warmup_stable_decay(1.0, 2, 3, 9, descent="exponential"), "final_learning_rate"),
        (lambda: schedules.one_cycle(0.0, 9), "learning_rate"),
        (lambda: schedules.one_cycle(1.0, 9, rising=1.0), "rising"),
        (lambda: schedules.one_cycle(1.0, 3), "rising"),
        (lambda: schedules.one_cycle(1.0, 9, start_divisor=0.5), "start_divisor"),
        (lambda: schedules.one_cycle(1.0, 9, end_divisor=float("inf")), "end_divisor"),
        (lambda: schedules.compressive(1), "num_steps"),
        (lambda: schedules.compressive(9, -1.0), "learning_rate"),
        (lambda: schedules.make_schedule("cosine"), "warmup_cosine"),
        (lambda: schedules.make_schedule("noam", steps=3), "model_dim"),
    ],
)
def test_bad_arguments_are_a_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
