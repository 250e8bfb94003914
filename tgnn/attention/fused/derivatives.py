"""Derivatives of a fused execution: its own backward pass once, and the definition for everything beyond.

The first derivative is one linear primitive: forwards it is the definition's tangent map, transposed it is the fused
backward pass. It therefore passes `jvp`, `vmap` and any nesting of `grad`, which `jax.custom_vjp` does not.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, TypeVar

import jax
import jax.core
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from tgnn.attention import definition
from tgnn.attention.call import Call
from tgnn.typing import Array, Params

Tree = TypeVar("Tree")


@dataclass(frozen=True)
class Structure:
    """A pytree without its arrays: hashable, so that it may be static.

    Args:
      treedef: of the pytree.
      static: for each leaf a Python value, or `FLOAT` (may be differentiated) or `OTHER` (may not).
    """

    treedef: Any
    static: tuple[Any, ...]

    def join(self, floats: Iterable[Array], others: Iterable[Array]) -> Any:
        """The pytree with these arrays."""
        floats, others = iter(floats), iter(others)
        leaves = [next(floats) if x is FLOAT else next(others) if x is OTHER else x for x in self.static]
        return self.treedef.unflatten(leaves)


def take_apart(tree: Params) -> tuple[Structure, list[Array], list[Array]]:
    """The structure of a pytree, its arrays that may be differentiated, and the others."""
    leaves, treedef = jax.tree.flatten(tree)
    static = tuple(kind_of(x) for x in leaves)
    floats, others = (
        [jnp.asarray(x) for x, k in zip(leaves, static, strict=True) if k is kind] for kind in (FLOAT, OTHER)
    )
    return Structure(treedef, static), floats, others


@dataclass(frozen=True)
class Method:
    """A fused execution for calls of one structure.

    Args:
      forward: `call -> output, residuals`.
      backward: `call, output, residuals, gradient -> ` a Call of gradients, with None where there is nothing to say;
        where there is `log_sum_exp`, its gradient is the last argument.
      structure: of the calls.
      log_sum_exp: `call, residuals -> ` a second output, [n_receivers, heads], or None where it is not asked for.
    """

    forward: Callable
    backward: Callable
    structure: Structure
    log_sum_exp: Callable | None = None

    def join(self, floats: Iterable[Array], others: Iterable[Array]) -> Call:
        """The call with these leaves."""
        return self.structure.join(floats, others)

    def outputs(self, call: Call) -> tuple[list[Array], Any]:
        """The output, the log-sum-exp if asked for, and the residuals."""
        output, residuals = self.forward(call)
        return [output] if self.log_sum_exp is None else [output, self.log_sum_exp(call, residuals)], residuals

    def vjp(self, saved: Sequence[Any], gradients: Sequence[Array]) -> list[Array]:
        """The fused backward pass. The log-sum-exp of no edge is a constant, whatever is made of its -inf."""
        floats, others, (output, *lse), residuals = saved
        gradient, *to_lse = gradients
        to_lse = [jnp.where(x == -jnp.inf, 0.0, g) for x, g in zip(lse, to_lse, strict=True)]
        result = self.backward(self.join(floats, others), output, residuals, gradient, *to_lse)
        slots = self.structure.treedef.flatten_up_to(result)
        slots = [x for x, kind in zip(slots, self.structure.static, strict=True) if kind is FLOAT]
        return [jnp.zeros_like(x) if g is None else g.astype(x.dtype) for x, g in zip(floats, slots, strict=True)]

    def define(self, others: Sequence[Array]) -> Callable[..., list[Array]]:
        """The definition as a function of the floating-point leaves."""
        if self.log_sum_exp is None:
            return lambda *floats: [definition.output(self.join(floats, others))]
        return lambda *floats: list(definition.output_and_lse(self.join(floats, others)))

    def define_jvp(self, saved: Sequence[Any], tangents: Sequence[Array]) -> list[Array]:
        """The definition's tangent map."""
        return jax.jvp(self.define(saved[1]), tuple(saved[0]), tuple(tangents))[1]

    def define_vjp(self, saved: Sequence[Any], gradients: Sequence[Array]) -> list[Array]:
        """The definition's backward pass."""
        return list(jax.vjp(self.define(saved[1]), *saved[0])[1](list(gradients)))


FLOAT, OTHER = type("Kind", (), {})(), type("Kind", (), {})()


def attend_with(forward: Callable, backward: Callable, call: Call) -> Array:
    """`forward(call)`, with `backward` as its gradient; see `Method` for both."""
    return outputs_with(forward, backward, None, call)[0]


def attend_with_lse(forward: Callable, backward: Callable, log_sum_exp: Callable, call: Call) -> tuple[Array, Array]:
    """`forward(call)` and its log-sum-exp, with `backward` as the gradient of both; see `Method`."""
    output, lse = outputs_with(forward, backward, log_sum_exp, call)
    return output, lse


def outputs_with(forward: Callable, backward: Callable, log_sum_exp: Callable | None, call: Call) -> list[Array]:
    """The outputs of a `Method` for this call."""
    structure, floats, others = take_apart(call)
    floats = vary_alike(floats, (floats, others))
    return run(Method(forward, backward, structure, log_sum_exp), floats, others)[0]


def vary_alike(tree: Tree, sources: Params) -> Tree:
    """Under `shard_map`, lets the leaves of `tree` vary over every mesh axis over which a leaf of `sources` does.

    Scans and `linear_p` need equal types; elsewhere JAX does this by itself, as here in a sum with an empty sum.
    """
    if not jax.sharding.get_abstract_mesh().manual_axes:
        return tree
    leaves = [x if jnp.issubdtype(x.dtype, jnp.number) else None for x in jax.tree.leaves(sources)]
    nothing = sum((x.reshape(-1)[:0].sum().astype(jnp.float32) for x in leaves if x is not None), jnp.float32(0))
    return jax.tree.map(lambda x: x + jnp.asarray(nothing, x.dtype), tree)


def kind_of(leaf: Any) -> Any:
    """FLOAT, OTHER, or the leaf itself where it is a Python number."""
    if not hasattr(leaf, "dtype"):
        return leaf
    return FLOAT if jnp.issubdtype(leaf.dtype, jnp.floating) else OTHER


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def run(method: Method, floats: Sequence[Array], others: Sequence[Array]) -> tuple[list[Array], Any]:
    """Outputs and residuals. Only the outputs have a derivative: residuals are read by `Linear` alone."""
    return method.outputs(method.join(floats, others))


@run.defjvp
def run_jvp(method, primals, tangents):
    """Calls `run` again, so that a derivative of higher order meets this rule and not the inside of `forward`."""
    outputs, residuals = run(method, *primals)
    saved, structure = jax.tree.flatten((*primals, outputs, residuals))
    tangent_map = Linear(method, True, structure, (len(saved), len(tangents[0])))
    slopes = linear_p.bind(*saved, *tangents[0], linear=tangent_map)
    return (outputs, residuals), (slopes, vary_alike(jax.tree.map(jnp.zeros_like, residuals), residuals))


@dataclass(frozen=True)
class Linear:
    """The tangent map (`is_jvp`) or its transpose, linear in its second argument for each value of the first."""

    method: Method
    is_jvp: bool
    structure: Any  # treedef of the saved values
    count: tuple[int, int]  # how many leaves are saved, and how many linear inputs there are
    batched: tuple[
        tuple[bool, ...], ...
    ] = ()  # for each enclosing vmap, innermost first: which saved leaves have its axis

    def __call__(self, *leaves: Array, fused: bool = True) -> list[Array]:
        """The value; with `fused=False` by the definition, which can be differentiated in the saved values too."""
        method = self.method
        function = method.define_jvp if self.is_jvp else method.vjp if fused else method.define_vjp

        def value(saved, linear):
            return function(self.structure.unflatten(saved), linear)

        for batched in self.batched:
            value = jax.vmap(value, in_axes=([0 if x else None for x in batched], 0))
        return value(list(leaves[: self.count[0]]), list(leaves[self.count[0] :]))

    def transpose(self, n_outputs: int) -> "Linear":
        """The map of cotangents."""
        return replace(self, is_jvp=not self.is_jvp, count=(self.count[0], n_outputs))


@lru_cache(maxsize=256)
def jitted(linear: Linear) -> Callable:
    """One jitted function for each structure, so that an eager derivative compiles once."""
    return jax.jit(linear)


linear_p: Primitive = Primitive("attention_derivative")
linear_p.multiple_results = True
linear_p.def_impl(lambda *leaves, linear: jitted(linear)(*leaves))
mlir.register_lowering(linear_p, mlir.lower_fun(lambda *leaves, linear: linear(*leaves), multiple_results=True))


@linear_p.def_abstract_eval
def linear_shapes(*leaves: jax.core.ShapedArray, linear: Linear) -> list[jax.core.ShapedArray]:
    """The shapes of the outputs: those of the call's outputs or floats, after the axes of the enclosing vmaps."""
    saved, depth = leaves[: linear.count[0]], len(linear.batched)
    sizes = leaves[-1].shape[:depth]

    def full(x, axes):
        return x.strip_weak_type() if axes == depth else jax.core.ShapedArray(sizes + x.shape[axes:], x.dtype)

    shapes = [full(x, sum(batched[i] for batched in linear.batched)) for i, x in enumerate(saved)]
    floats, _, outputs, _ = linear.structure.unflatten(shapes)
    return outputs if linear.is_jvp else floats


def linear_jvp(primals: Sequence[Array], tangents: Sequence[Any], *, linear: Linear) -> tuple[list[Array], list[Array]]:
    """Linear tangents pass through the same map; those of saved values need the definition."""
    values = linear_p.bind(*primals, linear=linear)
    n_saved = linear.count[0]
    changes = [ad.instantiate_zeros(x) for x in tangents[n_saved:]]
    total = linear_p.bind(*primals[:n_saved], *changes, linear=linear)
    moved = [i for i, x in enumerate(tangents[:n_saved]) if type(x) is not ad.Zero and x.dtype != jax.dtypes.float0]
    if moved:

        def definition(*chosen):
            leaves = list(primals)
            for i, x in zip(moved, chosen, strict=True):
                leaves[i] = x
            return linear(*leaves, fused=False)

        extra = jax.jvp(definition, tuple(primals[i] for i in moved), tuple(tangents[i] for i in moved))[1]
        total = [x + y for x, y in zip(total, extra, strict=True)]
    return values, total


def linear_transpose(cotangents: Sequence[Any], *leaves: Any, linear: Linear) -> list[Array | None]:
    """The transposed map on the same saved values."""
    n_saved = linear.count[0]
    cotangents = [ad.instantiate_zeros(x) for x in cotangents]
    back = linear_p.bind(*leaves[:n_saved], *cotangents, linear=linear.transpose(len(cotangents)))
    needed = [x if ad.is_undefined_primal(leaf) else None for x, leaf in zip(back, leaves[n_saved:], strict=True)]
    return [*[None] * n_saved, *needed]


def linear_batch(leaves: Any, axes: Sequence[int | None], *, linear: Linear) -> tuple[list[Array], list[int]]:
    """One more vmap inside the map; linear inputs all get the axis, so that the transpose has it too."""
    size = next(x.shape[axis] for x, axis in zip(leaves, axes, strict=True) if axis is not None)
    n_saved = linear.count[0]
    batched = tuple(axis is not None for axis in axes[:n_saved])
    front = [x if axis is None else jnp.moveaxis(x, axis, 0) for x, axis in zip(leaves, axes, strict=True)]
    for i in range(n_saved, len(leaves)):
        if axes[i] is None:
            front[i] = jnp.broadcast_to(front[i][None], (size, *front[i].shape))
    values = linear_p.bind(*front, linear=replace(linear, batched=(*linear.batched, batched)))
    return values, [0] * len(values)


ad.primitive_jvps[linear_p] = linear_jvp
ad.primitive_transposes[linear_p] = linear_transpose
batching.primitive_batchers[linear_p] = linear_batch
