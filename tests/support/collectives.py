"""What a compiled program sends between devices, read from its text; and tests in a process of eight devices."""

import math
import os
import re
import subprocess
import sys
from pathlib import Path

BYTES = {"f64": 8, "s64": 8, "u64": 8, "f32": 4, "s32": 4, "u32": 4, "bf16": 2, "f16": 2, "pred": 1, "s8": 1, "u8": 1}
KINDS = "all-gather", "all-reduce", "all-to-all", "collective-permute", "reduce-scatter"
CALL = re.compile(rf"= (.+?) ({'|'.join(KINDS)})(?:-start)?\(")
SHAPE = re.compile(r"(\w+)\[([\d,]*)\]")


def collectives(compiled) -> list[tuple[str, int]]:
    """Kind and bytes of the result, on one device, of each collective as it is written: those in loops count once."""
    found = []
    for result, kind in CALL.findall(compiled.as_text()):
        shapes = [(name, dims) for name, dims in SHAPE.findall(result) if name in BYTES]
        found.append((kind, sum(BYTES[name] * math.prod(map(int, filter(None, d.split(",")))) for name, d in shapes)))
    return found


def sent(compiled, kind: str) -> int:
    """The bytes of all collectives of a kind."""
    return sum(size for found, size in collectives(compiled) if found == kind)


def kinds(compiled) -> set[str]:
    """The kinds that occur."""
    return {kind for kind, _ in collectives(compiled)}


def run_on_devices(module: str, function: str = "check", count: int = 8) -> None:
    """Calls a function of a test module where there are so many devices: in a process of its own."""
    flags = os.environ.get("XLA_FLAGS", "") + f" --xla_force_host_platform_device_count={count}"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    run = [sys.executable, "-W", "error", "-c", f"from {module} import {function}; {function}()"]
    done = subprocess.run(run, env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
