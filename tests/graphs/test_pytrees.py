"""Pytrees of two classes are two structures, whatever their fields: else a jitted function mixes their programs."""

import dataclasses
import re
from pathlib import Path

import jax
import pytest

import tgnn
from tgnn.attention.kernels import EluPlusOne, Sigmoid
from tgnn.pytrees import register


def test_two_classes_with_equal_fields_are_two_structures():
    assert jax.tree.structure(EluPlusOne()) != jax.tree.structure(Sigmoid())

    @register
    @dataclasses.dataclass(frozen=True)
    class One:
        x: int = jax.tree.static(default=1)

    @register
    @dataclasses.dataclass(frozen=True)
    class Other:
        x: int = jax.tree.static(default=1)

    assert jax.tree.structure(One()) == jax.tree.structure(One()) != jax.tree.structure(Other())
    assert jax.tree.structure(One(2)) != jax.tree.structure(One(1))


def test_every_pytree_of_the_library_is_registered_by_us():
    sources = [path.read_text(encoding="utf-8") for path in Path(tgnn.__file__).parent.rglob("*.py")]
    assert not any(re.search(r"^@jax\.tree_util\.register_dataclass", source, re.M) for source in sources)
    assert sum(source.count("\n@register\n") for source in sources) > 30


@pytest.mark.parametrize("of", [tgnn.Complete(3), tgnn.Window(3, 1, 0), Sigmoid()], ids=repr)
def test_a_tree_is_rebuilt_as_it_was(of):
    leaves, treedef = jax.tree.flatten(of)
    assert treedef.unflatten(leaves) == of
