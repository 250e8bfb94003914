"""What the pages show runs as it stands there, and what they link to is there."""

import re
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in [*DOCS.glob("*.md"), *DOCS.glob("howto/*.md")])
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
RUN = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8")) and page.name != "migration.md"]

sys.path.insert(0, str(DOCS))
import links  # noqa: E402
import reference  # noqa: E402


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page):
    needed = {"pretrained": "tokenizers", "export": "flatbuffers"}.get(page.stem)
    if needed:
        pytest.importorskip(needed)
    namespace = {"__name__": page.stem}
    with jax.numpy_rank_promotion("allow"):  # as a user has it
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            exec(compile(block, str(page), "exec"), namespace)


def test_the_columns_of_the_pyg_migration_give_the_same_numbers():
    pytest.importorskip("torch_geometric")
    namespace, compared = {"__name__": "migration"}, 0
    with jax.numpy_rank_promotion("allow"):
        for block in BLOCK.findall((DOCS / "migration.md").read_text(encoding="utf-8")):
            exec(compile(block, "migration.md", "exec"), namespace)
            if "ours" in namespace:
                theirs = namespace.pop("theirs").detach().numpy()
                np.testing.assert_allclose(namespace.pop("ours"), theirs, rtol=1e-5, atol=1e-5)
                compared += 1
    assert compared == 7


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.stem)
def test_links_of_a_page_lead_to_files(page):
    folder = page.parent.relative_to(ROOT).as_posix()
    generated = re.sub(r"\]\((experiments|reference)/index\.md\)", "]", page.read_text(encoding="utf-8"))
    links.rewritten(generated, "" if folder == "." else folder, "README" if page.stem == "README" else page.stem)


def test_the_readme_is_a_page():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("room", reference.ROOMS)
def test_every_public_name_has_its_docstring(room):
    import importlib
    import operator

    module = importlib.import_module(room)
    assert reference.public(module), room
    for name in reference.public(module):
        assert (operator.attrgetter(name)(module).__doc__ or "").strip(), f"{room}.{name}"


def test_public_names_and_signatures_are_those_of_the_snapshot():
    from tests import public_names

    assert public_names.listing() == public_names.SNAPSHOT.read_text(encoding="utf-8"), (
        "a public name or signature changed: run python tests/public_names.py, and say it in the CHANGELOG"
    )


@pytest.mark.slow
def test_the_tables_of_scaling_are_those_of_the_counts():
    pytest.importorskip("pymetis")
    import scaling

    page = scaling.PAGE.read_text(encoding="utf-8")
    assert scaling.written(page) == page, "python docs/scaling.py"
