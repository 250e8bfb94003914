"""What every execution says of itself: why it cannot run a call, whether it should, and how."""

from abc import ABC, abstractmethod
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from tgnn.attention.call import Call
from tgnn.compiled import platform
from tgnn.typing import Array


class Statistics(NamedTuple):
    """Of the softmax of each receiver and head, [n_receivers, heads]: log-sum-exp = maximum + log_total.

    They stay apart because large logits would eat the digits of their sum. Without an edge: 0 and +inf, so that its
    weights are exp(logit - inf) = 0.
    """

    maximum: Array
    log_total: Array

    @property
    def log_sum_exp(self) -> Array:
        """[n_receivers, heads]: -inf without an edge; +inf and NaN where a logit is."""
        empty = (self.log_total == jnp.inf) & jnp.isfinite(self.maximum)
        return jnp.where(empty, -jnp.inf, self.maximum + self.log_total)


Form: TypeAlias = str | tuple[str, ...]


class Execution(ABC):
    """A faster way to the definition's output, for some calls on some devices; one instance each in `executions.py`."""

    name: str
    form: Form  # of the layouts that it takes
    when: str  # it is faster, in words

    @abstractmethod
    def refusal(self, call: Call) -> str | None:
        """None where `run` can run a call, else the reason why it cannot, as the end of a sentence."""

    @abstractmethod
    def is_faster(self, call: Call) -> bool:
        """Whether it should, where the caller has no preference."""

    @abstractmethod
    def run(self, call: Call) -> Array:
        """[n_receivers, heads, value_dim]."""

    has_statistics: bool = True

    def run_with_lse(self, call: Call) -> tuple[Array, Array]:
        """The output and the log-sum-exp, [n_receivers, heads], differentiable; asked only where `has_statistics`."""
        raise ValueError(f"{self.name} keeps no statistics; ask an execution that says has_statistics")

    def statistics(self, call: Call) -> Statistics:
        """Maximum and sum of the exponentials; asked only where `has_statistics`."""
        raise ValueError(f"{self.name} keeps no statistics; ask an execution that says has_statistics")

    def wrong_form(self, call: Call) -> str | None:
        """The reason why it takes no such layout, or None."""
        forms = (self.form,) if isinstance(self.form, str) else self.form
        return None if call.layout.form in forms else f"it takes layouts of the form {' or '.join(forms)}"


def own_structure(call: Call) -> str | None:
    """Why a score or a bias cannot be recomputed edge by edge, or None."""
    kind = type(call.score).__name__
    if call.score.own_logits:
        return f"{kind} defines {call.score.own_logits} itself; define receiver, sender and pair instead"
    for name, x in (("score", call.score), ("bias", call.bias if callable(call.bias) else None)):
        if not all(hasattr(leaf, "dtype") or isinstance(leaf, bool | int | float) for leaf in jax.tree.leaves(x)):
            return f"{name} is no registered pytree of arrays (see tgnn.pytrees.register)"
    return None


def is_plain(call: Call) -> bool:
    """Whether a call has no arrays per edge, no function of edges, no dropout and the dot product as its score."""
    extra = (call.bias, call.edges, call.edge_value, call.draw)
    known = isinstance(call.scale, int | float)
    return call.score.is_inner_product and known and all(x is None for x in extra)


def backend() -> str:
    """What programs are compiled for where nothing says otherwise."""
    return platform()
