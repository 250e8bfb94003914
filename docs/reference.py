"""The pages of the reference: each public name of each room, with its docstring."""

import importlib
import inspect
import operator
import shutil
from pathlib import Path
from types import ModuleType

ROOMS = {
    "tgnn": "Attention, layouts and graphs",
    "tgnn.patterns": "Patterns: edge sets by rule",
    "tgnn.models": "Models",
    "tgnn.nn": "Layers",
    "tgnn.recurrent": "Recurrence along edges",
    "tgnn.encodings": "Biases and encodings of positions",
    "tgnn.graph_encodings": "Encodings of a node's place in its graph",
    "tgnn.decoding": "Decoding",
    "tgnn.losses": "Losses",
    "tgnn.schedules": "Schedules",
    "tgnn.training": "Training",
    "tgnn.checkpoint": "Checkpoints",
    "tgnn.sharding": "Several devices",
    "tgnn.sampling": "Sampling",
    "tgnn.links": "Links",
    "tgnn.metrics": "Metrics",
    "tgnn.pretrained": "Networks that others trained",
    "tgnn.analysis": "Reading attention",
    "tgnn.plot": "Plots",
    "tgnn.adapters": "Adapters: Flax, PyG",
    "tgnn.datasets": "Data sets",
}


def public(module: ModuleType) -> list[str]:
    """The names of functions and classes that a room offers, in the order of `__all__` or of its imports."""
    names = []
    for name in getattr(module, "__all__", list(vars(module))):
        found = vars(module)[name]
        if name.startswith("_"):
            continue
        if inspect.ismodule(found) and found.__name__ == f"{module.__name__}.{name}" and found.__name__ not in ROOMS:
            here = [inner for inner in public(found) if vars(found)[inner].__module__ == found.__name__]
            names += [f"{name}.{inner}" for inner in here] if module.__name__ == "tgnn.datasets" else []
        elif (inspect.isfunction(found) or inspect.isclass(found)) and found.__module__.startswith("tgnn"):
            names.append(name)
    return names


def page(room: str) -> str:
    """One page of the reference, in Markdown."""
    module = importlib.import_module(room)
    lines = [f"# {ROOMS[room]}", "", f"`{room}`: {(module.__doc__ or '').strip().splitlines()[0]}", "", "```{eval-rst}"]
    for name in public(module):
        kind = "class" if inspect.isclass(operator.attrgetter(name)(module)) else "function"
        lines += [f".. auto{kind}:: {room}.{name}", *(["   :members:"] if kind == "class" else []), ""]
    return "\n".join([*lines, "```", ""])


def write(docs: Path) -> None:
    """All pages and their list."""
    folder = docs / "reference"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for room in ROOMS:
        (folder / f"{room}.md").write_text(page(room), encoding="utf-8")
    head = "# Reference\n\nEvery public name; every example here is run by the tests.\n"
    text = "\n".join([head, "```{toctree}", *ROOMS, "```", ""])
    (folder / "index.md").write_text(text, encoding="utf-8")
