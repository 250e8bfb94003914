"""What the project says of itself in several places agrees."""

import tomllib
from pathlib import Path

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
