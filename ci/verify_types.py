"""Measures how much of the installed `tgnn` tells its types, as users' checkers see it: `python ci/verify_types.py`.

`pyright --verifytypes` reads an installed package, and no editable one: a bare environment is made in a temporary
folder, with links to all packages of the one that runs this, and a copy of `tgnn`.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
LEAST = 0.95  # of the symbols that modules export


def environment(folder: Path) -> dict[str, str]:
    """Makes the environment, and gives the variables under which programs find it."""
    venv.create(folder, with_pip=False)
    scheme = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", scheme="venv", vars=scheme))
    for name in ("purelib", "platlib"):
        for path in Path(sysconfig.get_path(name)).iterdir():
            # What makes `tgnn` editable would lead back to its source.
            if not path.name.startswith(("tgnn", "__editable__")) and path.suffix != ".pth":
                link = packages / path.name
                if not link.exists():
                    link.symlink_to(path)
    shutil.copytree(ROOT / "tgnn", packages / "tgnn", ignore=shutil.ignore_patterns("__pycache__"))
    programs = sysconfig.get_path("scripts", scheme="venv", vars=scheme)
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return own | {"VIRTUAL_ENV": str(folder), "PATH": programs + os.pathsep + os.environ.get("PATH", "")}


def main() -> None:
    """Prints the share, and what is missing where it is too small."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pyright", "--verifytypes", "tgnn", "--ignoreexternal", "--outputjson"]
        made = environment(Path(folder) / "env")
        run = subprocess.run(command, env=made, cwd=folder, capture_output=True, text=True)
    try:
        found = json.loads(run.stdout)["typeCompleteness"]
    except (json.JSONDecodeError, KeyError):
        sys.exit(f"pyright gave no report: {run.stdout[-2000:]}{run.stderr[-2000:]}")
    symbols = [symbol for symbol in found["symbols"] if symbol["isExported"]]
    known = sum(symbol["isTypeKnown"] and not symbol["isTypeAmbiguous"] for symbol in symbols)
    share = known / max(len(symbols), 1)
    print(f"{known} of {len(symbols)} exported symbols have a known type: {share:.1%}, at least {LEAST:.0%} are asked")
    if share < LEAST:
        for symbol in symbols:
            for fault in symbol["diagnostics"]:
                if fault["severity"] == "error":
                    print(f"{symbol['name']}: {fault['message'].splitlines()[0]}")
        sys.exit(1)


if __name__ == "__main__":
    main()
