"""The scatter-free execution of edge lists: equal to the definition, the same bits every time, and no scatter."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.attention.test_lowering import lowered
from tests.support.cases import CASES, assert_equals_definition
from tests.support.layouts import LAYOUTS
from tgnn.attention.fused.sorted_edges import BLOCK, reduce_runs

QUICK = [("edges padded", "per edge"), ("edges padded", "gat")]
ALL = [(name, case) for name in ("edges", "edges padded", "long") for case in CASES]


@pytest.fixture
def gpu(monkeypatch):
    """What tgnn chooses on a GPU, run here."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


def layout_of(name):
    return LAYOUTS["edges padded"].pad_slots(103) if name == "long" else LAYOUTS[name]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "case"), [*QUICK, *(pytest.param(*x, marks=pytest.mark.slow) for x in ALL if x not in QUICK)]
)
def test_equals_the_definition(name, case, gpu):
    assert_equals_definition(layout_of(name), case)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"bias": jnp.ones((len(LAYOUTS["edges"].order), 4))}], ids=["plain", "bias"])
def test_the_program_for_gpus_has_no_scatter(options, gpu):
    text = lowered(LAYOUTS["edges"], "cuda", **options)
    assert not re.search(r"stablehlo\.\w*scatter", text)
    assert "stablehlo.gather" in text and "stablehlo.dot_general" in text
    unsorted = tgnn.EdgeList(LAYOUTS["edges"].senders, LAYOUTS["edges"].receivers, 13, 11)
    assert "stablehlo.scatter" in lowered(unsorted, "cuda")  # edges in any order have no other way


@pytest.mark.parametrize("op", ["sum", "max"])
@pytest.mark.nans
def test_runs_of_every_length_are_reduced(op):
    rng = np.random.default_rng(0)
    lengths = np.array([0, 1, BLOCK - 1, 0, BLOCK + 1, 7, 3 * BLOCK**2 + 5, 0, 2, 0])
    numbers = np.repeat(np.arange(len(lengths)), lengths)
    x = rng.normal(size=(len(numbers), 2, 3))
    x[5, 1, 2], x[-1, 0, 0] = np.nan, np.inf
    got = jax.jit(lambda x, i: reduce_runs(x, i, len(lengths), op))(jnp.asarray(x, jnp.float32), jnp.asarray(numbers))
    for i in range(len(lengths)):
        mine = x[numbers == i]
        if op == "max":  # XLA's maximum may or may not see a NaN; the exponentials that follow do
            np.testing.assert_allclose(got[i], np.fmax.reduce(mine, initial=-np.inf), rtol=1e-6)
            continue
        wrong = ~np.isfinite(mine).all((0, 2))
        np.testing.assert_allclose(got[i][~wrong], mine.sum(0)[~wrong], rtol=2e-5, atol=2e-5)
        assert np.isnan(got[i][wrong]).all()  # a head that holds what is not finite, and no other
    assert op == "max" or np.isnan(np.asarray(got)).sum() == 2 * 3
