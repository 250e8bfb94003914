"""Doors from other libraries to `tgnn.attend`."""

from tgnn.adapters.flax import attention_fn as attention_fn
