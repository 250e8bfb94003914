"""The product of rows and a kernel, of which a batch stays one product of matrices.

`jax.vmap` gives `x @ kernel` one axis more, and the kernel's gradient then sums over two, batch and rows: XLA's CPU
copies one side transposed first and runs a slower product. Here `vmap` joins both axes instead, [batch, n, dim_in] ->
[batch * n, dim_in]. Elsewhere, and wherever axes belong to a mesh, JAX's own product is used.
"""

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.core
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from tgnn.compiled import platform
from tgnn.typing import Array


def row_product(x: Array, kernel: Array, in_axes: int = 1) -> Array:
    """Contracts the `in_axes` trailing axes of x with the leading ones of the kernel, which has the dtype of x.

    Args:
        x: `[..., *in_dim]`.
        kernel: `[*in_dim, *out_dim]`.
        in_axes: how many axes in_dim stands for.

    Returns:
        `[..., *out_dim]`.

    >>> row_product(jnp.ones((2, 3)), jnp.ones((3, 4, 5))).shape
    (2, 4, 5)
    """
    if platform() != "cpu" or not jax.sharding.get_abstract_mesh().empty:
        return jnp.tensordot(x, kernel, in_axes)
    rows, out = x.shape[: x.ndim - in_axes], kernel.shape[in_axes:]
    if x.shape[x.ndim - in_axes :] != kernel.shape[:in_axes] or 0 in (*x.shape, *kernel.shape):
        return jnp.tensordot(x, kernel, in_axes)  # which says what is wrong
    flat = product.bind(x.reshape(math.prod(rows), -1), kernel.reshape(-1, math.prod(out)))
    return flat.reshape(*rows, *out)


def contract(x: Array, y: Array, axis_of_x: int, axis_of_y: int) -> Array:
    """The product of two matrices over one axis of each."""
    return jax.lax.dot_general(x, y, (((axis_of_x,), (axis_of_y,)), ((), ())))


def batched(operands: Sequence[Array], axes: Sequence[int | None]) -> tuple[Array, int]:
    """A batch of x is more rows, a batch of kernels is more columns."""
    (x, kernel), (of_x, of_kernel) = operands, axes
    if of_x is not None and of_kernel is not None:
        return jnp.matmul(jnp.moveaxis(x, of_x, 0), jnp.moveaxis(kernel, of_kernel, 0)), 0
    if of_x is not None:
        x = jnp.moveaxis(x, of_x, 0)  # [batch, n, dim_in]
        return product.bind(x.reshape(-1, x.shape[-1]), kernel).reshape(*x.shape[:2], -1), 0
    kernel = jnp.moveaxis(kernel, of_kernel, 1)  # [dim_in, batch, dim_out]
    return product.bind(x, kernel.reshape(len(kernel), -1)).reshape(len(x), *kernel.shape[1:]), 1


product: Primitive = Primitive("row_product")  # [n, dim_in], [dim_in, dim_out] -> [n, dim_out]
forward = partial(contract, axis_of_x=1, axis_of_y=0)
product.def_impl(jax.jit(forward))
product.def_abstract_eval(lambda x, kernel: jax.core.ShapedArray((x.shape[0], kernel.shape[1]), x.dtype))
mlir.register_lowering(product, mlir.lower_fun(forward, multiple_results=False))
ad.defbilinear(
    product,
    lambda gradient, _, kernel: contract(gradient, kernel, 1, 1),
    lambda gradient, x, _: contract(x, gradient, 0, 0),
)
batching.primitive_batchers[product] = batched
