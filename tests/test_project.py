"""What the project says of itself in several places agrees."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


def lower_bounds(requirements):
    parsed = [Requirement(line) for line in requirements]
    return {r.name: s.version for r in parsed for s in r.specifier if s.operator in (">=", "==")}


def test_the_oldest_versions_tested_are_the_lower_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = lower_bounds(project["dependencies"] + project["optional-dependencies"]["experiments"])
    lines = (ROOT / "ci" / "oldest.txt").read_text().splitlines()
    tested = lower_bounds(line for line in lines if not line.startswith("#"))
    assert tested.pop("jaxlib") == promised["jax"]
    assert tested == promised


@pytest.mark.slow
def test_the_wheel_is_the_typed_library_without_data_and_works_by_itself(tmp_path):
    pytest.importorskip("hatchling")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", str(ROOT)]
    subprocess.run([*build, "--wheel-dir", str(tmp_path)], check=True, timeout=300)
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        wheel.extractall(tmp_path / "installed")
    code = {name for name in names if name.startswith("tgnn/")}
    assert {name.split("/")[0] for name in names if name not in code} == {f"{path.name.rsplit('-', 3)[0]}.dist-info"}
    assert "tgnn/py.typed" in code and path.stat().st_size < 2e6
    assert {Path(name).suffix for name in code} == {".py", ".typed", ".json", ".html", ".js"}
    assert {name for name in code if name.endswith(".json")} == {"tgnn/planning/timings.json"}
    # From elsewhere, and before any checkout that the environment knows of.
    own = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    program = "import tgnn; print(tgnn.__file__); import tgnn.__main__ as face; face.main()"
    run = [sys.executable, "-c", program]
    said = subprocess.run(run, check=True, timeout=300, cwd=tmp_path, env=own, capture_output=True, text=True).stdout
    assert said.startswith(str(tmp_path / "installed")) and "all is well" in said


def test_types_are_checked_without_the_peers():
    """Where torch is not installed, as in a developer's environment, pyright must not stumble over its imports."""
    mark = "# pyright: reportMissingImports=false"
    peers = re.compile(r"^\s*(?:import|from) torch", re.MULTILINE)
    files = [path for folder in ("tgnn", "experiments") for path in (ROOT / folder).rglob("*.py")]
    with_peers = [path for path in files if peers.search(path.read_text())]
    assert with_peers
    assert [str(path) for path in with_peers if mark not in path.read_text()] == []
