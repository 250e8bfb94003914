"""Layouts and states in one line: what they are and how large, not what is in them."""

from typing import Any

import jax


def one_line(self: Any) -> str:
    """A dataclass or a named tuple: its name, its sizes, and the shapes of its arrays."""
    fields = self._asdict() if hasattr(self, "_asdict") else vars(self)
    shown = (f"{name}={brief(value)}" for name, value in fields.items() if value is not None)
    return f"{type(self).__name__}({', '.join(shown)})"


def brief(x: Any) -> str:
    """A number as it is, an array as its dtype and shape."""
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return f"{x.dtype}{list(x.shape)}"
    if isinstance(x, tuple) and not hasattr(x, "_fields"):
        return f"({', '.join(map(brief, x))})"
    if isinstance(x, list | dict):
        leaves = jax.tree.leaves(x)
        return f"<{sum(getattr(leaf, 'size', 1) for leaf in leaves):,} numbers>"
    return repr(x)
