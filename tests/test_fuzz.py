"""The fuzzer: it passes on the library as it is, and finds, shrinks and prints what is wrong with one that is not."""

import jax
import jax.numpy as jnp
import pytest

from tests.fuzz import attention, reductions
from tests.fuzz.graphs import Graph
from tests.fuzz.search import search
from tgnn.graphs import dense

LIST = Graph("edges", 3, 4, ((0, 0), (3, 2), (0, 0), (1, 2)), (True, True, True, False), (0, 0, 0, 1, 0, 2, 2))
CASES = {
    "list": attention.Case(LIST, heads=2, group=2, dims=(3, 2), bias="holes", edge_value=True, poison=True),
    "dropout": attention.Case(LIST._replace(kind="raw edges"), dims=(2, 2), dropout_rate=0.3, score="additive"),
    "window": attention.Case(
        Graph("window", 5, 6, numbers=(-1, 1, 2, 2, 0, 1, 0)), score="gaussian", dims=(2, 1), gradients=True
    ),
}


@pytest.mark.parametrize("name", [pytest.param(x, marks=[] if x == "list" else pytest.mark.slow) for x in CASES])
def test_cases_that_were_thought_of_agree_with_the_loop(name):
    attention.check(CASES[name])


@pytest.mark.slow
def test_some_random_cases_agree_with_the_loop():
    for module in (attention, reductions):
        tried, finding = search(module, seconds=60, seed=1, max_cases=4)
        assert tried and finding is None, finding


@pytest.mark.slow
def test_a_bug_is_found_and_shrunk_and_the_program_that_is_printed_shows_it(monkeypatch):
    """Reductions of matrices that count entries which are no edges."""

    def reduce(self, x, op="sum"):
        return x.max(axis=1, initial=0.0) if op == "max" else x.sum(axis=1)

    monkeypatch.setattr(dense.DenseLike, "reduce", reduce)
    only = type("Module", (), {"cases": staticmethod(matrices), "check": staticmethod(reductions.check)})
    only.__name__ = reductions.__name__
    _, finding = search(only, seconds=60, seed=0)  # type: ignore
    assert finding is not None and "expected" in finding.error
    with pytest.raises(AssertionError, match="expected"):
        exec(finding.program)
    monkeypatch.undo()
    jax.clear_caches()
    exec(finding.program)


def matrices():
    """Sums on one kind of layout, without a compilation for each."""
    return reductions.cases().map(
        lambda case: case._replace(
            graph=Graph("dense", 2, 2, ((0, case.seed % 2),)),
            reduction="max",
            dtype="float32",
            way="eager",
            edges=False,
        )
    )


def test_the_loop_tells_what_it_expected_and_found():
    with pytest.raises(AssertionError, match=r"weights\[1\] is 2.0, expected 3.0 \+- 0.5"):
        attention.close(jnp.array([1.0, 2.0]), [1.0, 3.0], 0.5, "weights")
