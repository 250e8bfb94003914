"""How fast each layout is on this kind of machine: a saved measurement, which `plan` decides by."""

import functools
import json
import os
from pathlib import Path
from typing import NamedTuple

import jax

MEASURED = Path(__file__).parent / "timings.json"
VARIABLE = "TGNN_MEASURED"  # names another file, such as one made by `python -m experiments.speed --calibrate FILE`


class Timings(NamedTuple):
    """A measurement on one kind of device.

    Attributes:
      device: in words.
      versions: of JAX and others, in words.
      seconds: for each layout, such as "EdgeList", and direction ("forward" or "both", which is with gradients):
        seconds per slot and head, and seconds per slot, head and number of a head.
    """

    device: str
    versions: str
    seconds: dict[str, dict[str, tuple[float, float]]]

    def predict(self, layout: str, slots: int, heads: int, head_dim: int, gradients: bool) -> float | None:
        """Seconds of one call, or None for a layout that was not measured."""
        found = self.seconds.get(layout, {}).get("both" if gradients else "forward")
        return None if found is None else slots * heads * (found[0] + found[1] * head_dim)


def load(path: str | os.PathLike[str] | None = None, backend: str | None = None) -> Timings | None:
    """The measurement for a kind of device, or None where it was not measured.

    Args:
      path: a file written by `python -m experiments.speed --calibrate`; default the one that the environment variable
        TGNN_MEASURED names, else the library's own.
      backend: "cpu", "gpu" or "tpu"; default the one that JAX compiles for.

    Raises:
      ValueError: for a file of another format.
    """
    path = Path(path or os.environ.get(VARIABLE) or MEASURED)
    return read(path).get(backend or jax.default_backend())


@functools.cache
def read(path: Path) -> dict[str, Timings]:
    """The measurements of a file, by kind of device."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        return {backend: Timings(x["device"], x["versions"], x["seconds"]) for backend, x in saved.items()}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} holds no measurement ({error!r}); write one with python -m experiments.speed --calibrate {path}"
        ) from error


def save(path: str | os.PathLike[str], backend: str, timings: Timings) -> None:
    """Writes a measurement, beside those of other kinds of device in the same file."""
    path = Path(path)
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(old | {backend: timings._asdict()}, indent=1) + "\n", encoding="utf-8")
    read.cache_clear()
