"""What a model chooses: a graph, a score and a reduction. Of these choices the table of the documentation is made.

Each module of this folder that holds models states its choice, or several, at its end:

    CHOICES = (
        Choice("GAT", graph="neighbours and itself", score="`Additive`", reduction="softmax", paper="arXiv:1710.10903"),
    )

A word in backticks must be a name that the module uses, and a reduction by softmax must be one through `attend`:
`tests/models/test_cards.py` checks both. `python -m tgnn.models docs/models.md` writes the table into it, between
its two comments; the tests compare it. Models of other folders stand in `ELSEWHERE`.
"""

import importlib
import pkgutil
import re
from typing import NamedTuple

START, END = "<!-- models: written by `python -m tgnn.models docs/models.md` -->", "<!-- end of models -->"


class Choice(NamedTuple):
    """One row of the table: Markdown, each entry short.

    Attributes:
        name: of the model.
        graph: which edges there are.
        score: what decides how much an edge matters.
        reduction: how the messages of a node's in-edges become one; what says softmax goes through `attend`.
        paper: an arXiv number such as "arXiv:1710.10903", or another citation.
    """

    name: str
    graph: str
    score: str
    reduction: str
    paper: str


ELSEWHERE: dict[str, tuple[Choice, ...]] = {
    "tgnn.nn.transformer": (
        Choice("Transformer encoder", "complete: `Complete`", "dot product", "softmax", "arXiv:1706.03762"),
        Choice("Transformer decoder", "the past: `Causal`", "dot product", "softmax", "arXiv:1706.03762"),
    ),
    "tgnn.recurrent.cells": (Choice("RNN", "chain: the previous word", "1", "sum, then tanh", "Elman 1990"),),
}


def choices() -> dict[str, tuple[Choice, ...]]:
    """The choices of every module that states some, by the module's name."""
    folder = importlib.import_module("tgnn.models")
    found = pkgutil.walk_packages(folder.__path__, "tgnn.models.")
    names = [module.name for module in found if not module.ispkg and not module.name.endswith("__main__")]
    stated = {name: getattr(importlib.import_module(name), "CHOICES", ()) for name in names}
    return {name: rows for name, rows in stated.items() if rows} | ELSEWHERE


def table() -> str:
    """The table in Markdown, oldest arXiv number first."""
    rows = [(choice, module) for module, found in choices().items() for choice in found]
    rows.sort(key=lambda row: (_link(row[0].paper)[0], row[0].name))
    lines = ["| model | graph | score of an edge | reduction | paper |", "|---|---|---|---|---|"]
    for choice, module in rows:
        file = module.replace(".", "/") + ".py"
        name, paper = f"[{choice.name}](../{file})", _link(choice.paper)[1]
        lines.append(f"| {name} | {choice.graph} | {choice.score} | {choice.reduction} | {paper} |")
    return "\n".join(lines)


def _link(paper: str) -> tuple[str, str]:
    """What to sort by, and the paper's Markdown: a link where it has an arXiv number."""
    found = re.fullmatch(r"arXiv:(\d{4}\.\d{4,5})", paper)
    if found:
        return "20" + found[1], f"[{found[1]}](https://arxiv.org/abs/{found[1]})"
    year = re.search(r"\d{4}", paper)
    return (year[0][:4] if year else "9999"), paper


def written(text: str) -> str:
    """The text with the table between its two comments.

    Raises:
        ValueError: if the text does not have each comment once, in this order.
    """
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        raise ValueError(f"text must hold {START!r} once and then {END!r} once; write both where the table shall stand")
    before, rest = text.split(START)
    return f"{before}{START}\n\n{table()}\n\n{END}{rest.split(END)[1]}"
