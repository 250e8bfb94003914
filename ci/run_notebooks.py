"""Runs notebooks/*.py and writes what they show into the .ipynb beside each: `make figures`, or name some of them."""

import os
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"  # of tqdm, which others import
FOLDER = Path(__file__).resolve().parent.parent / "notebooks"


def run(script: Path) -> Path:
    """Writes the .ipynb of a script; its cells keep their names from one time to the next, so that diffs are short."""
    notebook = nbformat.from_dict(jupytext.read(script, fmt="py:percent"))
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    for i, cell in enumerate(notebook.cells):
        cell["id"], cell["metadata"] = f"cell-{i}", {}
    notebook.metadata = nbformat.from_dict({"language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    path = script.with_suffix(".ipynb")
    nbformat.write(notebook, path)
    return path


if __name__ == "__main__":
    for script in [Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("*.py")):
        begin = time.monotonic()
        path = run(script.resolve())
        print(f"{path.name}: {time.monotonic() - begin:.0f} s, {path.stat().st_size / 1e3:.0f} kB", flush=True)
