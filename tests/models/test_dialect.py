"""All models speak one dialect: names of arguments, dropout with its key, implementations, types, compilations."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.compilations import compilations
from tests.support.models import CALLS
from tgnn import models
from tgnn.models.cards import choices

WITHOUT_DROPOUT = {"memory_network", "seq2seq"}  # as their papers
GRAPH_IS_MADE_INSIDE = {"seq2seq", "transformer_xl", "compressive_transformer"}
NO_ATTENTION = {
    *("gcn", "graph_sage", "gin", "basic_gnn", "monet", "gated_gcn", "graph_network", "lightgcn", "pinsage"),
    *("tree_lstm", "rgcn", "conv_s2s"),
}
# These compile in a second or two each; what they share with others is tested on the others.
SLOW = set(CALLS) - {"gcn", "gat", "graph_transformer", "multi_graph_transformer", "universal_transformer"}


def parameters(name):
    return inspect.signature(getattr(models, name)).parameters


def test_every_public_model_is_called_here():
    made = {name.removeprefix("init_") for name in dir(models) if name.startswith("init_")}
    states = {name for name in made if name.endswith("_state")}
    assert made - states - {"sketch_embedding"} == set(CALLS)
    assert {getattr(models, name).__module__ for name in CALLS} <= set(choices())


@pytest.mark.parametrize("name", CALLS)
def test_arguments_have_one_name_and_one_place(name):
    found = parameters(name)
    places = list(found)
    assert places[0] == "params"
    assert name in GRAPH_IS_MADE_INSIDE or places[1] in ("graph", "graphs")
    assert not {"layout", "layouts", "use_edges", "around", "coordinates"} & set(places)
    signature = inspect.getsource(getattr(models, name)).split('"""')[0]
    assert "Any" not in signature
    options = {"dropout_rate": 0.0, "rng": None} if name not in WITHOUT_DROPOUT else {}
    options |= {} if name in NO_ATTENTION else {"implementation": None}
    for option, default in options.items():
        assert found[option].kind is inspect.Parameter.KEYWORD_ONLY and found[option].default == default, option
    init = inspect.signature(getattr(models, f"init_{name}")).parameters
    assert next(iter(init)) == "rng"
    if "edges" in found:
        assert "edge_dim" in init and found["edges"].default is None


@pytest.mark.parametrize("name", sorted(set(CALLS) - WITHOUT_DROPOUT))
def test_dropout_without_a_key_is_refused(name):
    with pytest.raises(ValueError, match="dropout_rate is 0.5 but rng is None; pass a PRNG key, or dropout_rate=0.0"):
        CALLS[name](dropout_rate=0.5)
    with pytest.raises(ValueError, match=r"dropout_rate must be in \[0, 1\), got 1.0"):
        CALLS[name](dropout_rate=1.0, rng=jax.random.key(0))


def test_so_is_dropout_of_gps_attention():
    with pytest.raises(ValueError, match="attention_dropout_rate is 0.5 but rng is None"):
        CALLS["gps"](attention_dropout_rate=0.5)


@pytest.mark.parametrize("name", sorted(set(CALLS) - NO_ATTENTION))
def test_the_implementation_reaches_attend(name):
    with pytest.raises(ValueError, match="implementation"):
        jax.eval_shape(lambda: CALLS[name](implementation="none such"))


@pytest.mark.parametrize("name", CALLS)
def test_bfloat16_gives_bfloat16(name):
    numbers = jax.tree.leaves(jax.eval_shape(lambda: CALLS[name](jnp.bfloat16)))
    assert numbers[0].dtype == jnp.bfloat16


@pytest.mark.parametrize("name", CALLS)
def test_bfloat16_needs_no_promotion_that_jax_would_do_unasked(name):
    with jax.numpy_dtype_promotion("strict"):
        jax.eval_shape(lambda: CALLS[name](jnp.bfloat16))


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in CALLS])
def test_a_second_eager_call_compiles_nothing(name):
    first = CALLS[name]()
    assert compilations(CALLS[name]) == 0
    jax.tree.map(np.testing.assert_array_equal, first, CALLS[name]())
