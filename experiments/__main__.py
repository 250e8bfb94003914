"""Lists the experiments: one line each, with the last result."""

import ast
import pkgutil
import shutil
from pathlib import Path

import experiments
from experiments.common import results
from experiments.common.terminal import any_terminal

RUNS = Path("runs")


def names() -> list[str]:
    """The experiments: the packages of this folder that can be run."""
    folder = Path(experiments.__file__).parent
    packages = (module.name for module in pkgutil.iter_modules([str(folder)]) if module.ispkg)
    return sorted(name for name in packages if (folder / name / "__main__.py").exists())


def question(name: str) -> str:
    """The first line of what the experiment says of itself, read without importing it (imports take seconds)."""
    folder = Path(experiments.__file__).parent / name
    for source in (folder / "run.py", folder / "__init__.py"):
        doc = source.exists() and ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
        if doc:
            return doc.splitlines()[0]
    return ""


def last_result(name: str, runs: Path = RUNS) -> str:
    """The newest result in words, such as "cpu: accuracy 0.815 ± 0.004, 12 s", or "not run yet"."""
    found = results.last(runs / name)
    if found is None:
        return "not run yet"
    path, record = found
    metrics = ", ".join(f"{metric} {_number(summary)}" for metric, summary in record["metrics"].items())
    return f"{path.stem}: {metrics}, {record['seconds']:.0f} s"


def _number(summary: dict) -> str:
    if summary["mean"] is None:
        return "diverged"
    spread = f" ± {summary['std']:.2g}" if len(summary["values"]) > 1 else ""
    return f"{summary['mean']:.4g}{spread}"


def main() -> None:
    """Prints the list."""
    any_terminal()
    listed = names()
    width = max(map(len, listed), default=0)
    columns = shutil.get_terminal_size(fallback=(160, 0)).columns
    for name in listed:
        print(f"{name:{width}}  {question(name)} [{last_result(name)}]"[:columns])
    print("\nrun one: python -m experiments.NAME [--preset smoke|cpu|full] [--help]")


if __name__ == "__main__":
    main()
