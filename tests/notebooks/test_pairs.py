"""The two halves of each notebook say the same, and the .ipynb keeps its figures."""

from pathlib import Path

import pytest

jupytext = pytest.importorskip("jupytext")
nbformat = pytest.importorskip("nbformat")

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NAMES = sorted({path.stem for path in FOLDER.iterdir() if path.suffix in (".py", ".ipynb")})


def halves(name):
    return jupytext.read(FOLDER / f"{name}.py", fmt="py:percent"), nbformat.read(FOLDER / f"{name}.ipynb", 4)


def cells(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


@pytest.mark.parametrize("name", NAMES)
def test_both_halves_of_a_pair_agree(name):
    script, notebook = halves(name)
    assert cells(script) == cells(notebook), f"make pairs, or make figures ARGS=notebooks/{name}.py"


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_has_a_title_and_ends_with_its_figures(name):
    _, notebook = halves(name)
    assert notebook.cells[0].source.startswith("# ")
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert all(cell.get("execution_count") for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_small_and_names_no_machine(name):
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert len(text) < 1.5e6
    for word in ("/home/", "/root/", "/tmp/", "site-packages"):
        assert word not in text


def test_notebooks_are_numbered_without_gaps():
    assert [name[:2] for name in NAMES] == [f"{i:02}" for i in range(1, len(NAMES) + 1)]
