"""Published tensors as the parameters of this library: names, shapes and numbers are checked on the way."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from tgnn.typing import Array, Params

OLD_NAMES = {"weight": "gamma", "bias": "beta"}  # of norms, in checkpoints that came from TensorFlow


class Config:
    """The settings of a checkpoint; one that is missing or of another kind is a ValueError with its name."""

    def __init__(self, path: Path, settings: Mapping[str, Any]):
        self.path: Path = path
        self.settings: Mapping[str, Any] = settings

    def get(self, name: str, default: Any = None) -> Any:
        """The setting, or the default where it is missing or null."""
        found = self.settings.get(name)
        return default if found is None else found

    def size(self, name: str, default: int | None = None) -> int:
        """A setting that is an integer of at least 1."""
        found = self.get(name, default)
        if type(found) is not int or found < 1:
            raise ValueError(f"{self.path} has {name} {found!r}, expected an integer above 0; get the published file")
        return found

    def number(self, name: str, default: float) -> float:
        """A setting that is a number above 0."""
        found = self.get(name, default)
        if type(found) not in (int, float) or not 0 < found < float("inf"):
            raise ValueError(f"{self.path} has {name} {found!r}, expected a number above 0; get the published file")
        return float(found)

    def choice(self, name: str, default: Any, known: tuple[Any, ...]) -> Any:
        """A setting that is one of those known."""
        found = self.get(name, default)
        if not any(type(found) is type(x) and found == x for x in known):
            raise ValueError(f"{self.path} has {name} {found!r}, but only {known} are known; load another checkpoint")
        return found

    def head_dim(self, heads: int, model_dim: int) -> int:
        """The size of a head where heads share the model's."""
        if model_dim % heads:
            raise ValueError(f"{self.path} has {heads} heads, no divisor of the size {model_dim}; get another file")
        return model_dim // heads


class Tensors:
    """The arrays of a checkpoint under a prefix, each of which is asked for with its shape."""

    def __init__(self, path: Path, arrays: Mapping[str, np.ndarray], dtype: Any, prefix: str = ""):
        self.path: Path = path
        self.arrays: Mapping[str, np.ndarray] = arrays
        self.dtype: Any = dtype
        self.prefix: str = prefix

    def under(self, *prefixes: str) -> "Tensors":
        """Those under the first of these prefixes that any name has; under the last if none has."""
        for prefix in prefixes:
            if any(name.startswith(self.prefix + prefix) for name in self.arrays):
                break
        return Tensors(self.path, self.arrays, self.dtype, self.prefix + prefix)

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.arrays

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor that no config tells; of one that is missing or empty (0,), which `take` refuses."""
        return np.shape(self.arrays.get(self.prefix + name, np.empty(0))) or (0,)

    def take(self, name: str, *shape: int) -> Array:
        """The tensor of this name, in the dtype asked of `load`.

        Raises:
            ValueError: it is missing, of another shape, no real numbers, or not finite.
        """
        full = self.prefix + name
        if full not in self.arrays:
            raise ValueError(f"{self.path} lacks the tensor {full!r}; get the published file, or mend its config.json")
        x = np.asarray(self.arrays[full])
        if x.shape != shape:
            raise ValueError(f"tensor {full!r} of {self.path} has shape {x.shape}, but its config says {shape}")
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise ValueError(f"tensor {full!r} of {self.path} is {x.dtype}, expected real numbers; get it unquantised")
        if not np.isfinite(x).all():
            raise ValueError(f"tensor {full!r} of {self.path} holds NaN or inf, so it is damaged; get the file again")
        return jnp.asarray(x.astype(self.dtype))

    def table(self, name: str, rows: int, dim: int) -> Params:
        """An embedding: `{"table": [rows, dim]}`."""
        return {"table": self.take(name, rows, dim)}

    def norm(self, name: str, dim: int, *, use_bias: bool = True) -> Params:
        """A norm: `{"scale": [dim], ["bias"]}`."""
        scale, bias = (
            f"{name}.{new}" if f"{name}.{new}" in self or f"{name}.{old}" not in self else f"{name}.{old}"
            for new, old in OLD_NAMES.items()
        )
        return {"scale": self.take(scale, dim)} | ({"bias": self.take(bias, dim)} if use_bias else {})

    def linear(self, name: str, in_dim: int, out_dim: int, *, use_bias: bool = True, transposed: bool = True) -> Params:
        """A linear map: torch stores `[out_dim, in_dim]`, GPT-2 the transpose."""
        kernel = (
            self.take(f"{name}.weight", out_dim, in_dim).T
            if transposed
            else self.take(f"{name}.weight", in_dim, out_dim)
        )
        return {"kernel": kernel} | ({"bias": self.take(f"{name}.bias", out_dim)} if use_bias else {})


def to_heads(params: Params, heads: int, head_dim: int) -> Params:
    """A map to `heads * head_dim` features as one to heads: `[in_dim, heads, head_dim]`."""
    return {name: x.reshape(*x.shape[:-1], heads, head_dim) for name, x in params.items()}


def from_heads(params: Params, heads: int, head_dim: int) -> Params:
    """A map from `heads * head_dim` features as one from heads: `[heads, head_dim, out_dim]`."""
    return params | {"kernel": params["kernel"].reshape(heads, head_dim, -1)}


def thirds(params: Params) -> dict[str, Params]:
    """One map to queries, keys and values, in this order, as three."""
    parts = {name: jnp.split(x, 3, axis=-1) for name, x in params.items()}
    return {name: {part: xs[i] for part, xs in parts.items()} for i, name in enumerate(("query", "key", "value"))}


def joined_attention(projection: Params, output: Params, heads: int) -> Params:
    """Attention whose queries, keys and values come from one map."""
    head_dim = projection["kernel"].shape[-1] // 3 // heads
    parts = {name: to_heads(part, heads, head_dim) for name, part in thirds(projection).items()}
    return parts | {"output": from_heads(output, heads, head_dim)}
