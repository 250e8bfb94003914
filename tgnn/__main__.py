"""`python -m tgnn`: versions, devices, the faster executions and when each is taken, and a check that they agree."""

import importlib.metadata
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

import tgnn
from tgnn.attention.fused.executions import EXECUTIONS

PACKAGES = "jax", "jaxlib", "numpy", "jraph", "optax", "flax", "chex", "orbax-checkpoint"
N = 37  # nodes of the check
# Compilation is nearly all of the time; without LLVM's optimiser it takes half of it.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def versions() -> str:
    """The versions that matter, in one line."""
    found = (f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return f"tgnn {tgnn.__version__}, Python {sys.version.split()[0]}, {', '.join(found)}"


def check() -> list[str]:
    """How far each layout's fastest attention, and its gradients, are from the definition; a line for each.

    Raises:
        RuntimeError: where they are further than rounding explains.
    """
    rng = np.random.default_rng(0)  # JAX's own would be compiled first
    operands = jnp.asarray(rng.normal(size=(3, N, 2, 8)), jnp.float32)
    senders, receivers = rng.integers(0, N, (2, 5 * N))
    layouts = {
        "EdgeList": tgnn.EdgeList.from_edges(senders, receivers, n_receivers=N),
        "Causal": tgnn.Causal(N),
        "Window": tgnn.Window(N, 2, 1),
    }
    lines = []
    for name, layout in layouts.items():
        apart = jnp.abs(flat(layout, "fused", operands) - flat(layout, "definition", operands)).max()
        if not apart < 1e-4:
            raise RuntimeError(
                f"attention on {name} is {apart} away from the definition on this device; please report it"
            )
        lines.append(f"{name:9} within {apart:.0e} of the definition, gradients too")
    return lines


def flat(layout: tgnn.Layout, implementation: str, operands: jax.Array) -> jax.Array:
    """The output and the gradients of a sum of squares, as one array [4, N, 2, 8]."""

    def loss(query, key, value):
        output = tgnn.attend(layout, query, key, value, implementation=implementation)
        return jnp.square(output).sum(), output

    options = QUICK if jax.default_backend() == "cpu" else None
    gradients, output = jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True), compiler_options=options)(*operands)
    return jnp.stack([output, *gradients])


def main() -> None:
    """Prints it all."""
    start = time.perf_counter()
    print(versions())
    print("devices:", ", ".join(f"{device.device_kind} ({device.platform})" for device in jax.devices()))
    print("executions, in the order in which they are asked:")
    for execution in EXECUTIONS:
        print(f"  {execution.name:13} {execution.when}")
    for line in check():
        print(line)
    print(f"all is well ({time.perf_counter() - start:.1f} s)")


if __name__ == "__main__":
    main()
