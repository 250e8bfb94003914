"""The documentation's table of models is what the modules state, and what they state is what they use."""

import importlib
import re
from pathlib import Path

import pytest

import tgnn
from tgnn import models
from tgnn.models.cards import END, START, choices, table, written

# Every softmax is that of `attend`; all other reductions are these, on the same layouts, or states along edges.
ATTENTION = {"attend", "attend_per_head", "multi_head_attention", "transformer_block", "relative_attention"}
OTHERS = "aggregate", "aggregate_products", "layout.reduce"
PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text()


def test_the_page_holds_the_table():
    assert written(PAGE) == PAGE, "run: python -m tgnn.models docs/models.md"


def test_every_public_model_has_a_row():
    stated = {name.rsplit(".", 1)[1] for name in choices()}
    modules = {getattr(models, name).__module__ for name in dir(models) if name.startswith("init_")}
    assert {module.rsplit(".", 1)[1] for module in modules} <= stated


@pytest.mark.parametrize("module", choices())
def test_choices_name_what_the_module_uses(module):
    module, rows = importlib.import_module(module), choices()[module]
    for row in rows:
        text = " ".join(row)
        for name in re.findall(r"`(\w+)`", text):
            assert name in vars(module) or name in vars(tgnn), name
        if "softmax" in row.reduction:
            assert ATTENTION & set(vars(module)), row
        elif "recurrent" not in module.__name__:
            assert any(f"`{other}`" in row.reduction for other in OTHERS), row
        assert "|" not in text and "\n" not in text


def test_each_row_links_to_its_file_and_its_paper():
    for line in table().splitlines()[2:]:
        file = re.match(r"\| \[[^]]+\]\(\.\./(tgnn/[\w/]+\.py)\)", line)
        assert file and (Path(__file__).parents[2] / file[1]).is_file(), line


def test_a_text_without_its_place_for_the_table_is_refused():
    for text in ("", START, END + START, 2 * (START + END)):
        with pytest.raises(ValueError, match="text must hold"):
            written(text)
