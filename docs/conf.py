"""Sphinx: the pages of this folder, the reference from docstrings, and the READMEs of the experiments."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import links
import reference

import tgnn

project = "tgnn"
copyright = "the authors of tgnn"
version = release = tgnn.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "myst_nb"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"tgnn {version}"
html_copy_source = False

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "dollarmath"]
nb_execution_mode = "off"  # `make notebooks` runs them; the pages show the kept figures
suppress_warnings = ["mystnb.unknown_mime_type"]

default_role = "code"  # what goes on in the next line
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # shapes stand in the docstrings
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_ivar = True


def as_literal(app, what, name, obj, options, lines: list[str]) -> None:
    """Docstrings write code as Markdown does, in single backticks; a star or a bar outside of code is itself."""
    in_example = False
    for i, line in enumerate(lines):
        in_example = line.lstrip().startswith(">>>") or (in_example and bool(line.strip()))
        if not in_example:
            parts = line.split("`")
            if len(parts) % 2:  # no code that goes on in the next line
                parts[::2] = [re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
                lines[i] = "``".join(parts)


def setup(app) -> None:
    """Connects what is generated."""
    app.connect("builder-inited", lambda app: reference.write(Path(app.srcdir)))
    app.connect("builder-inited", lambda app: links.write_readmes(Path(app.srcdir)))
    app.connect("source-read", links.rewrite)
    app.connect("html-collect-pages", links.source_pages)
    app.connect("autodoc-process-docstring", as_literal, priority=100)  # before napoleon
