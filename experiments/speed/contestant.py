"""One side of a comparison: a forward pass, and a pass that returns output and gradients, ready to be timed."""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

Arrays = list[np.ndarray]


@dataclass(frozen=True)
class Contestant:
    """Calls wait for their result. `both` gives `(output, gradients)`; None where a side has no gradient.

    A side that trains has no `forward`: `both` goes on from where the last call ended, and `proof` is what is compared.
    """

    forward: Callable[[], Any] | None
    both: Callable[[], Any] | None
    to_numpy: Callable[[Any], Arrays]  # what a call returned, in the axes of the case
    costs: dict[str, float] = field(default_factory=dict)  # seconds of compilation, bytes of temporaries
    proof: Callable[[], Arrays] | None = None  # losses of the first steps, and what they changed
    elsewhere: bool = False  # whether another process does the work, whose memory this one does not see

    def calls(self) -> dict[str, Callable[[], Any]]:
        """The directions that exist."""
        return {name: call for name, call in (("forward", self.forward), ("both", self.both)) if call is not None}

    def compared(self) -> dict[str, Arrays]:
        """What equality is asked of: the proof, or what each direction returns."""
        if self.proof is not None:
            return {"both": self.proof()}
        return {name: self.to_numpy(call()) for name, call in self.calls().items()}


def same(x: np.ndarray) -> np.ndarray:
    """The axes of the case already."""
    return x


def from_jax(
    function: Callable, graph: Any, inputs: Sequence, cotangent, *, views=same, gradients: bool = True
) -> Contestant:
    """`function(graph, *inputs) -> output`, compiled; the graph is an argument, so that XLA folds none of it.

    Args:
      function: what is timed.
      graph: any pytree.
      inputs: arrays that are differentiated.
      cotangent: gradient of the output.
      views: to the axes of the case, one for all arrays or one for each of output and inputs.
      gradients: False for a side without a backward pass.
    """
    inputs = tuple(jax.numpy.asarray(x) for x in inputs)
    cotangent = jax.numpy.asarray(cotangent)

    def both(graph, inputs, cotangent):
        output, pull = jax.vjp(lambda *inputs: function(graph, *inputs), *inputs)
        return output, pull(cotangent)

    costs: dict[str, float] = {}
    calls = {"forward": (lambda graph, inputs: function(graph, *inputs), (graph, inputs))}
    if gradients:
        calls["both"] = (both, (graph, inputs, cotangent))
    ready: dict[str, Callable] = {}
    for name, (call, arguments) in calls.items():
        start = time.perf_counter()
        program = jax.jit(call).lower(*arguments).compile()
        costs[f"{name}_compile_seconds"] = time.perf_counter() - start
        memory = program.memory_analysis()
        if memory is not None:
            costs[f"{name}_temporary_bytes"] = memory.temp_size_in_bytes
        ready[name] = lambda program=program, arguments=arguments: jax.block_until_ready(program(*arguments))
    return Contestant(ready["forward"], ready.get("both"), viewer(views, lambda x: np.asarray(x, np.float32)), costs)


def from_torch(
    function: Callable, inputs: Sequence, cotangent, *, views=same, compile: bool = False, gradients: bool = True
) -> Contestant:
    """`function(*inputs) -> output` on torch tensors, as it is or under torch.compile; arguments as for `from_jax`."""
    import torch

    if compile:
        torch._dynamo.reset()  # else the compiler gives up on the ninth graph of a process
    leaves = [x.detach().clone().requires_grad_() if gradients else x for x in inputs]
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    function = torch.compile(function, dynamic=False) if compile else function

    def forward():
        with torch.no_grad():
            output = function(*leaves)
        wait()
        return output

    def both():
        output = function(*leaves)
        result = output, torch.autograd.grad(output, leaves, cotangent)
        wait()
        return result

    costs = {}
    if compile:
        for name, call in (("forward", forward), ("both", both))[: 2 if gradients else 1]:
            start = time.perf_counter()
            call()
            costs[f"{name}_compile_seconds"] = time.perf_counter() - start
    return Contestant(
        forward, both if gradients else None, viewer(views, lambda x: x.detach().float().cpu().numpy()), costs
    )


def viewer(views, to_array) -> Callable[[Any], Arrays]:
    """A function from what a call returned to arrays in the axes of the case."""

    def to_numpy(result) -> Arrays:
        output, gradients = result if isinstance(result, tuple) else (result, ())
        arrays = [to_array(x) for x in (output, *gradients)]
        each = [views] * len(arrays) if callable(views) else views
        return [np.asarray(view(x)) for view, x in zip(each, arrays, strict=False)]  # a forward pass has one array

    return to_numpy
