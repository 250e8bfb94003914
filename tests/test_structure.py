"""How the library is built, read from its source: who imports whom, and who may ask what a layout or a score is."""

import ast
import graphlib
import importlib
import pkgutil
from pathlib import Path
from types import FunctionType

import pytest

import tgnn

ROOT = Path(tgnn.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in FILES}

# Each line may import the lines above it. What is left are doors to rooms that were renamed, and the face of it all.
ORDER = (
    {"typing", "opened", "pytrees"},
    {"errors", "printing"},
    {"compiled"},
    {"softmax"},
    {"graphs"},
    {"attention", "metrics", "plot", "train"},
    {"analysis", "patterns", "planning", "sampling", "sharding"},
    {"nn"},
    {"links", "recurrent"},
    {"models"},
    {"adapters", "datasets"},
    {"pretrained"},
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
SUGAR = "tgnn.graphs.layout"  # `a | b` and `to_edges` need every layout, and every layout needs this module
LAYOUTS = {"EdgeList", "Neighbors", "Complete", "Causal", "Prefix", "Dense", "DenseLike", "Window", "Blocks"}
LAYOUTS |= {"RowWindows", "TileLike", "SortedChunks", "Planned", "Segmented"}


def module_of(path):
    parts = ("tgnn", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in FILES}


def room_of(module):
    return module.split(".")[1] if "." in module else "tgnn"


def within(tree, kinds, condition=lambda node: True):
    """The nodes inside of nodes of some kinds."""
    return {id(x) for node in ast.walk(tree) if isinstance(node, kinds) and condition(node) for x in ast.walk(node)}


def imports(path):
    """(module that is imported, whether inside a function), those for type checkers apart."""
    tree = TREES[path]
    for_types = within(tree, ast.If, lambda node: "TYPE_CHECKING" in ast.unparse(node.test))
    late = within(tree, ast.FunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import) and id(node) not in for_types:
            source = getattr(node, "module", None)
            names = [f"{source}.{x.name}" if source else x.name for x in node.names]
            for name in names:
                yield name if name in MODULES or source is None else source, id(node) in late


def own_imports(path):
    return [(name, late) for name, late in imports(path) if name.split(".")[0] == "tgnn"]


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_run_downwards(path):
    mine = room_of(module_of(path))
    if mine not in LEVEL:
        return
    for name, _ in own_imports(path):
        room = room_of(name)
        assert room == mine or (room in LEVEL and LEVEL[room] < LEVEL[mine]), f"{module_of(path)} imports {name}"


def test_every_room_has_its_place_in_the_order():
    packages = {module for module in MODULES if (ROOT / Path(*module.split(".")[1:]) / "__init__.py").exists()}
    assert {room_of(module) for module in packages} - {"tgnn"} == {x for x in LEVEL if (ROOT / x).is_dir()}


@pytest.mark.slow
def test_imports_make_no_circle_but_for_the_sugar_of_layouts():
    graph = {
        module_of(path): {name for name, late in own_imports(path) if not (late and module_of(path) == SUGAR)}
        for path in FILES
    }
    order = graphlib.TopologicalSorter(graph).static_order()  # raises CycleError, which shows the circle
    assert set(order) == MODULES


def test_nothing_is_imported_inside_of_functions_of_attention():
    """But for the kernels of a vendor, which are loaded where they run."""
    for path in (ROOT / "attention").rglob("*.py"):
        late = [name for name, late in imports(path) if late]
        assert all(name.startswith("jax.experimental") for name in late), f"{module_of(path)}: {late}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_only_graphs_ask_which_layout_a_layout_is(path):
    if room_of(module_of(path)) == "graphs":
        return
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("isinstance", "issubclass"):
            asked = {getattr(x, "id", getattr(x, "attr", "")) for x in ast.walk(node.args[1])}
            assert not asked & LAYOUTS, f"{path.name}:{node.lineno} asks for {asked & LAYOUTS}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_nobody_asks_which_score_a_score_is(path):
    """Its name may be shown; what it can do it says itself."""
    tree = TREES[path]
    shown = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "__name__"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("type", "isinstance") and node.args:
            asked = ast.unparse(node.args[0])
            assert "score" not in asked or id(node) in shown, f"{path.name}:{node.lineno} {ast.unparse(node)}"
        if isinstance(node, ast.Compare):
            identity = any(isinstance(x, ast.Is | ast.IsNot) for x in node.ops)
            assert not (identity and "dot_product" in ast.unparse(node)), f"{path.name}:{node.lineno}"


def test_no_file_is_longer_than_400_lines():
    lengths = {module_of(path): len(path.read_text().splitlines()) for path in FILES}
    assert max(lengths.values()) <= 400, max(lengths, key=lambda x: lengths[x])


def test_no_module_is_named_like_its_packages_function():
    """`import tgnn.x` and `tgnn.x` are one thing: a function of the same name would hide the module, or the reverse."""
    for package in [tgnn, *(importlib.import_module(m) for m in MODULES if (ROOT / Path(*m.split(".")[1:])).is_dir())]:
        names = [x.name for x in pkgutil.iter_modules(package.__path__) if x.name != "__main__"]
        modules = {name: importlib.import_module(f"{package.__name__}.{name}") for name in names}
        for name, module in modules.items():
            found = getattr(package, name)
            assert found is module and not isinstance(found, FunctionType), f"{package.__name__}.{name}"
