"""A table of the experiments: what each asks, what was found with this code, and the last result on this machine."""

import ast
import difflib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

import experiments
from experiments.common import results
from experiments.common.terminal import any_terminal

RUNS, FOLDER = Path("runs"), Path(experiments.__file__).parent
# Where the first metric is not what the question asks for.
HEADLINES = {
    "atom_mapping": "right",
    "deception": "accuracy_penalty_1",
    "digits": "gat_accuracy",
    "embeddings": "ratio",
    "feed_forward": "width-4/validation_bits",
    "gestures": "multi_graph-13/validation_top1",
    "heads": "softmax-4/validation_bits",
    "heterophily": "test_roc_auc",
    "language": "test_bits",
    "pruning": "importance/accuracy/4",
    "quickstart": "word_error",
    "speed": "edges-cora/tgnn/forward_seconds",
    "translate": "complete/test_bleu_beam",
    "warmup": "pre/none/0.003/nats",
}


def names() -> list[str]:
    """The experiments: the packages of this folder that can be run."""
    packages = (module.name for module in pkgutil.iter_modules([str(FOLDER)]) if module.ispkg)
    return sorted(name for name in packages if (FOLDER / name / "__main__.py").exists())


def question(name: str) -> str:
    """The first line of what the experiment says of itself, read without importing it (imports take seconds)."""
    for source in (FOLDER / name / "run.py", FOLDER / name / "__init__.py"):
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


def committed(name: str) -> str:
    """The first metric of the results that are kept with the code, such as "14 runs: validation bits 2.84 ... 3.47"."""
    found = [results.read(path) for path in sorted((FOLDER / name / "results").glob("*.json"))]
    if not found:
        return "none"
    metric = HEADLINES.get(name) or next(x for x in found[0]["metrics"] if x != "parameters")
    values = [record["metrics"][metric] for record in found if metric in record["metrics"]]
    ranked = sorted((x for x in values if x["mean"] is not None), key=lambda x: x["mean"]) or values
    shown = dict.fromkeys(map(_number, (ranked[0], ranked[-1])))  # one where there is one
    runs = f"{len(values)} runs: " if values[1:] else ""
    return f"{runs}{metric.replace('_', ' ')} {' ... '.join(shown)}"


def _number(summary: dict[str, Any]) -> str:
    if summary["mean"] is None:
        return "diverged"
    spread = f" ± {summary['std']:.2g}" if len(summary["values"]) > 1 else ""
    return f"{summary['mean']:.4g}{spread}"


def main(argv: Sequence[str] = ()) -> None:
    """Prints the table; of a name that is given, how to run it."""
    any_terminal()
    if argv:
        near = difflib.get_close_matches(argv[0], names(), 1, 0.0)[0]
        print(f"each experiment is a command of its own: python -m experiments.{near} --help", file=sys.stderr)
        raise SystemExit(2)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    for column, ratio in {"experiment": 3, "question": 8, "kept with the code": 6, "last one here": 6}.items():
        table.add_column(column, ratio=ratio, overflow="fold", style="bold" if column == "experiment" else "")
    for name in names():
        table.add_row(name, question(name), committed(name), last_result(name))
    console = Console()
    console.print(table)
    console.print("run one: python -m experiments.NAME (--preset smoke|cpu|full, --help)", markup=False)


if __name__ == "__main__":
    main(sys.argv[1:])
