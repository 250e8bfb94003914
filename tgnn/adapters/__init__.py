"""Doors from other libraries to `tgnn.attend`."""

from tgnn.adapters.flax import attention_fn as attention_fn
from tgnn.adapters.pyg import from_pyg as from_pyg
