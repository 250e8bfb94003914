"""How many programs are compiled: of two equal eager calls the second one compiles none."""

from contextlib import contextmanager

import jax
import jax.monitoring

COUNT = {"programs": 0}


def listen(event: str, _: float, **__) -> None:
    if event.endswith("backend_compile_duration"):
        COUNT["programs"] += 1


jax.monitoring.register_event_duration_secs_listener(listen)


def compilations(call) -> int:
    """The programs that are compiled while `call` runs."""
    before = COUNT["programs"]
    jax.block_until_ready(call())
    return COUNT["programs"] - before


@contextmanager
def no_compilation():
    """What is inside uses programs that exist already."""
    before = COUNT["programs"]
    yield
    assert COUNT["programs"] == before, f"{COUNT['programs'] - before} programs were compiled"
