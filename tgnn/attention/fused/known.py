"""What a kernel of edges can compute, so that others are refused before a compiler does."""

from typing import Any

# What Triton can compute of a score and its derivative, beside calls of functions.
KNOWN = frozenset(
    "abs add add_any and broadcast_in_dim clamp convert_element_type cos custom_jvp_call div eq exp exp2 expm1 "
    "floor ge gt integer_pow iota is_finite jit le log log1p logistic lt max min mul ne neg not one_minus_square "
    "or pjit pow reduce_max reduce_min reduce_sum rem reshape rsqrt select_n sign sin sqrt square squeeze sub "
    "tanh transpose xor".split()
)


def names_of(jaxpr: Any) -> set[str]:
    """The primitives of a program and of the functions that it calls."""
    found = {equation.primitive.name for equation in jaxpr.eqns}
    inner = (
        x for equation in jaxpr.eqns for x in equation.params.values() if hasattr(x, "eqns") or hasattr(x, "jaxpr")
    )
    return found.union(*(names_of(getattr(x, "jaxpr", x)) for x in inner))
