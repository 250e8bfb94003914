"""The ordered list of executions: a call takes the first that accepts it, else the definition."""

from collections.abc import Iterator

from tgnn.attention import definition
from tgnn.attention.call import Call
from tgnn.attention.fused.blocks import Tiles
from tgnn.attention.fused.cudnn import CuDNN
from tgnn.attention.fused.dense import Rows
from tgnn.attention.fused.edge_kernel import EdgeKernel
from tgnn.attention.fused.edges import Chunks
from tgnn.attention.fused.execution import Execution
from tgnn.attention.fused.features import Features
from tgnn.attention.fused.row_windows import Windows
from tgnn.attention.fused.splash import Splash
from tgnn.attention.fused.window import Bands
from tgnn.typing import Array

EXECUTIONS: list[Execution] = [
    Features(),
    CuDNN(),
    Splash(),
    EdgeKernel(),
    Chunks(),
    Rows(),
    Bands(),
    Tiles(),
    Windows(),
]


def run(call: Call, implementation: str | None) -> Array:
    """The output of a call.

    Raises:
      ValueError: for "fused" where every execution refuses; the message says why each does.
    """
    if call.is_empty:
        return call.zeros()
    found = None if implementation == "definition" else choose(call, implementation)
    return definition.output(call) if found is None else found.run(call)


def run_with_lse(call: Call, implementation: str | None) -> tuple[Array, Array]:
    """The output of a call, and its log-sum-exp; otherwise like `run`."""
    if call.is_empty:
        return call.zeros(), call.no_lse()
    found = None if implementation == "definition" else choose(call, implementation, with_lse=True)
    return definition.output_and_lse(call) if found is None else found.run_with_lse(call)


def choose(call: Call, implementation: str | None = None, *, with_lse: bool = False) -> Execution | None:
    """The execution that runs a call, or None for the definition."""
    reasons = []
    for execution, refusal in walk(call):
        if refusal is None and with_lse and not execution.has_statistics:
            refusal = "it gives no log-sum-exp"
        if refusal is None and (implementation == "fused" or execution.is_faster(call)):
            return execution
        reasons.append(f"{execution.name}: {refusal}")
    if implementation != "fused":
        return None
    raise ValueError(
        f"no fused execution takes this call on {type(call.layout).__name__} with {type(call.score).__name__} "
        f'({"; ".join(reasons)}); use implementation=None or "definition"'
    )


def walk(call: Call) -> Iterator[tuple[Execution, str | None]]:
    """Every execution, in order, with the reason why it refuses a call, or None."""
    for execution in EXECUTIONS:
        yield execution, execution.wrong_form(call) or execution.refusal(call)


def reason(call: Call) -> str:
    """Which implementation runs a call, and why, in words."""
    if call.is_empty:
        return "nothing, because there is no edge"
    refusals = []
    for execution, refusal in walk(call):
        if refusal is None:
            if execution.is_faster(call):
                return f"{execution.name} ({execution.when})"
            refusal = f"could, but is faster {execution.when}"
        if execution.wrong_form(call) is None:
            refusals.append(f"{execution.name}: {refusal}")
    why = "; ".join(refusals) or f"no execution takes layouts of the form {call.layout.form}"
    return f"the definition, because {why}"
