"""A vendor's kernel for query, key and value, with its own backward pass, as an execution of `attend`."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import jax

from tgnn.attention.call import Call
from tgnn.attention.fused.derivatives import attend_with
from tgnn.typing import Array


def run(kernel: Callable, call: Call) -> Array:
    """A plain call by `kernel`, a function from a Call to one of query, key and value that is differentiable once."""
    return attend_with(*passes(kernel), call)


@cache
def passes(kernel: Callable) -> tuple[Callable, Callable]:
    """The forward and the backward pass; the same functions for the same kernel, so that JAX traces them once."""

    def forward(call: Call) -> tuple[Array, tuple[()]]:
        # As it runs in training: the backward pass asks for the same kernel, and XLA keeps one.
        return jax.vjp(kernel(call), call.query, call.key, call.value)[0], ()

    def backward(call: Call, output: Array, residuals: tuple[()], gradient: Array) -> Call:
        gradients = jax.vjp(kernel(call), call.query, call.key, call.value)[1](gradient)
        return replace(call, **dict(zip(("query", "key", "value"), gradients, strict=True)))

    return forward, backward
