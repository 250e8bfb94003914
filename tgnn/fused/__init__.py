"""Faster executions of the definition, one file per layout family, each proven equal to it by the laws.

Each module of `EXECUTIONS` has `run`, which takes the arguments of `attend` and gives its output; `why_not`, the reason
why it cannot run a call, or None; and `is_faster`, whether it should where the caller has no preference.
"""

from tgnn.fused import blocks, dense, window
from tgnn.fused import edges as edge_list
from tgnn.layouts.blocks import Blocks
from tgnn.layouts.dense import Causal, Complete, Dense
from tgnn.layouts.edges import EdgeList
from tgnn.layouts.window import Window

EXECUTIONS = {EdgeList: edge_list, Complete: dense, Causal: dense, Dense: dense, Window: window, Blocks: blocks}


def choose(implementation, layout, score, query, key, value, bias, edges, edge_value):
    """The function that runs a call of `attend`, or None for the definition.

    Raises:
      ValueError: for an unknown implementation, or "fused" where none exists; the message names what exists.
    """
    if implementation not in (None, "definition", "fused"):
        raise ValueError(f'implementation must be None, "definition" or "fused", got {implementation!r}')
    if implementation == "definition":
        return None
    module, call = EXECUTIONS.get(type(layout)), (layout, score, query, key, value, bias, edges, edge_value)
    reason = module.why_not(*call) if module else "they exist for " + ", ".join(x.__name__ for x in EXECUTIONS)
    if module and reason is None:
        return module.run if implementation == "fused" or module.is_faster(*call) else None
    if implementation is None:
        return None
    raise ValueError(
        f"no fused execution exists for {type(layout).__name__} with {type(score).__name__}: {reason}; "
        'use implementation=None or "definition"'
    )
