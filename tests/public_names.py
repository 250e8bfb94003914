"""Every public name and its signature: `python tests/public_names.py` writes the snapshot that the tests compare."""

import importlib
import inspect
import operator
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))
import reference  # noqa: E402

SNAPSHOT = Path(__file__).parent / "public_names.txt"


def listing() -> str:
    """A line for each name of each room, with the names and kinds of its parameters."""
    lines = []
    for room in reference.ROOMS:
        module = importlib.import_module(room)
        for name in reference.public(module):
            lines.append(f"{room}.{name}{signature(operator.attrgetter(name)(module))}")
    return "\n".join(sorted(lines)) + "\n"


def signature(thing) -> str:
    """The parameters without types and defaults, which differ between versions of Python: "(x, *, rng=)"."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return ""
    shown = []
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in shown and not any(x.startswith("*") for x in shown):
            shown.append("*")
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        shown.append(f"{star}{parameter.name}{'=' if parameter.default is not parameter.empty else ''}")
    return re.sub(r"\s+", " ", f"({', '.join(shown)})")


if __name__ == "__main__":
    SNAPSHOT.write_text(listing(), encoding="utf-8")
