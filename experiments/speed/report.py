"""What a results file says: tables in Markdown, and figures. All of it is made from the JSON file alone.

`python -m experiments.speed.report experiments/speed/results/cpu.json docs/speed.md` puts the table of a file between
the marks `<!-- speed -->` of another; with one more word, such as gpu, between `<!-- speed gpu -->`.
"""

import json
import math
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.speed import figures
from experiments.speed.config import PRESETS
from experiments.speed.targets import (
    BYTES_PER_EDGE,
    COMPILE_SECONDS,
    MEMORY_RATIO,
    NOT_MEASURED,
    OTHERS_IN_JAX,
    TARGETS,
)

DIRECTIONS = "forward", "both"
SWEEPS = "growth", "density", "batches"
FAMILIES = {"edges": "attention on edges", "gat": "GAT layer", "gatv2": "GATv2 layer", "gcn": "GCN layer"} | {
    "transformer": "TransformerConv layer",
    "window": "window ±128",
    "blocks": "tiles of 64",
    "mesh": "8 hops on a mesh",
    "host": "edges on the host",
    "decode": "decoding with a cache",
    "score": "own score",
    "lm": "language model",
    "epoch": "epoch",
    "start": "start and first step",
}
WHOLE = "host", "decode", "lm", "epoch", "start"  # more than a layer, or less
MARKS = "<!-- speed -->", "<!-- /speed -->"
Value = Callable[[str, str, str], float | None]


def reader(record: dict) -> Value:
    """A function from case, side and quantity to the median, or None where it was not measured."""

    def value(case: str, side: str, quantity: str) -> float | None:
        found = record["metrics"].get(f"{case}/{side}/{quantity}")
        return statistics.median(found["values"]) if found else None

    return value


def names(record: dict) -> dict[str, list[str]]:
    """The measured cases, each with its sides, in the order of measurement."""
    found: dict[str, list[str]] = {}
    for name in record["metrics"]:
        case, side, *rest = name.split("/")
        if rest and rest[0] in ("forward_seconds", "both_seconds") and side not in ("floor", *found.get(case, [])):
            found.setdefault(case, []).append(side)
    return found


def ratios(value: Value, case: str, side: str, against: str, kind: str = "seconds") -> list[float | None]:
    """Time over the other side's, forward and both."""
    each = [(value(case, side, f"{d}_{kind}"), value(case, against, f"{d}_{kind}")) for d in DIRECTIONS]
    return [a / b if a and b else None for a, b in each]


def summary(record: dict, missing: Sequence[str] = NOT_MEASURED) -> str:
    """The table of docs/speed.md: each case beside the best of all others that the same run measured."""
    value = reader(record)
    rows = [
        f"| {in_words(case)}{own.removeprefix('tgnn')} "
        f"| {' | '.join(beside_the_best(value, case, own, sides, d) for d in DIRECTIONS)} |"
        for case, sides in names(record).items()
        if not case.startswith(SWEEPS)
        for own in [side for side in sides if is_ours(side)] or ["tgnn"]
    ]
    rows += [f"| {what} | not measured | not measured |" for what in missing]
    head = "| time over that of the best other | forward | forward + backward |"
    return "\n".join([head, "|---|---|---|", *rows])


def in_words(case: str) -> str:
    """A case as readers know it."""
    family, _, size = case.partition("-")
    nodes, _, dtype = size.replace("_", " ").partition("-")
    size = ", ".join(x for x in (f"{int(nodes):,}" if nodes.isdigit() else nodes, dtype) if x)
    return f"{FAMILIES.get(family, family)}, {size}"


def is_ours(side: str) -> bool:
    """The side that a row is about, or a variant of it, such as "tgnn, stacked"."""
    return side.split(",")[0] == "tgnn"


def beside_the_best(value: Value, case: str, own: str, sides: list[str], direction: str) -> str:
    """Our time over the least of the others', and whose that is."""
    times = {side: value(case, side, f"{direction}_seconds") for side in {own, *sides}}
    ours = times.pop(own)
    others = {side: seconds for side, seconds in times.items() if seconds is not None and not is_ours(side)}
    if ours is None or not others:
        return "not measured" if ours or others else "–"  # of a step or an epoch there is no half
    best = min(others, key=lambda side: others[side])
    return f"{ours / others[best]:.2f} ({best})"


def targets(record: dict) -> str:
    """Every target beside what was reached."""
    value = reader(record)
    rows = []
    for target in TARGETS:
        reached = ratios(value, target.case, "tgnn", target.against)
        rows.append(compared(target.what, target.against, reached, (target.forward, target.both)))
    for case, sides in names(record).items():
        others = [side for side in sides if side in OTHERS_IN_JAX]
        if others and case in {target.case for target in TARGETS}:
            reached = [maximum(ratios(value, case, "tgnn", other)[i] for other in others) for i in (0, 1)]
            rows.append(compared(case, "best other in JAX: " + ", ".join(others), reached, (1.0, 1.0)))
    rows += [memory(value), growth(record), linearity(record), compilation(record)]
    rows += [f"| {what} | | not measured | not measured | |" for what in NOT_MEASURED]
    head = "| | time over that of | forward: reached (at most) | forward + backward: reached (at most) | |"
    return "\n".join([head, "|---|---|---|---|---|", *rows])


def compared(what: str, against: str, reached, limits, unit: str = "") -> str:
    """A row: numbers beside what they may be, and whether all of them are."""
    cells = ["not measured" if x is None else f"{x:.3g}{unit} ({y:.3g})" for x, y in zip(reached, limits, strict=True)]
    known = [(x, y) for x, y in zip(reached, limits, strict=True) if x is not None]
    met = "" if not known else "met" if all(x <= y for x, y in known) else "missed"
    return f"| {what} | {against} | {cells[0]} | {cells[1]} | {met} |"


def maximum(values) -> float | None:
    """Of the numbers among them."""
    return max((x for x in values if x is not None), default=None)


def memory(value: Value) -> str:
    """Temporary memory on the large graph, of either side the rise of the process's memory."""
    each = []
    for direction in DIRECTIONS:
        ours, theirs = (value("edges-arxiv", side, f"{direction}_peak_bytes") for side in ("tgnn", "PyG"))
        each.append(None if ours is None or not theirs else ours / theirs)
    return compared("temporary memory, edges, arxiv", "PyG", each, (MEMORY_RATIO, MEMORY_RATIO))


def growth(record: dict) -> str:
    """Bytes of XLA's temporaries per edge, the most of all sizes."""
    value = reader(record)
    cases = [case for case in names(record) if case.startswith("growth-")]
    each = [
        maximum(
            None if (x := value(case, "tgnn", f"{d}_temporary_bytes")) is None else x / int(case.split("-")[1])
            for case in cases
        )
        for d in DIRECTIONS
    ]
    sizes = sorted(int(case.split("-")[1]) for case in cases)
    label = f"{sizes[0]:,} to {sizes[-1]:,} edges" if sizes else "growth"
    return compared(f"temporary bytes per edge, {label}", "", each, (BYTES_PER_EDGE, BYTES_PER_EDGE), " B")


def linearity(record: dict) -> str:
    """How time grows with edges: the exponent between the largest graph and a tenth of it; 1 is linear."""
    value = reader(record)
    sizes = sorted(int(case.split("-")[1]) for case in names(record) if case.startswith("growth-"))
    cells = ["not measured"] * 2
    if sizes and sizes[-1] // 10 in sizes:
        ends = [f"growth-{sizes[-1]}", f"growth-{sizes[-1] // 10}"]
        each = ([value(case, "tgnn", f"{d}_seconds") or math.nan for case in ends] for d in DIRECTIONS)
        cells = [f"{math.log10(large / small):.2f}" for large, small in each]
    return f"| growth of time with edges, exponent | | {cells[0]} (linear: 1) | {cells[1]} (linear: 1) | |"


def compilation(record: dict) -> str:
    """The slowest compilation of one layer of ours."""
    value = reader(record)
    cases = [case for case in names(record) if not case.startswith((*SWEEPS, *WHOLE))]
    each = [maximum(value(case, "tgnn", f"{d}_compile_seconds") for case in cases) for d in DIRECTIONS]
    return compared("compilation, slowest single layer", "", each, COMPILE_SECONDS, " s")


def full(record: dict) -> str:
    """Every side of every case."""
    value = reader(record)
    head = (
        "| case | side | forward ms | ± | forward + backward ms | ± | over the first side's (processor time) "
        "| temporary MB: XLA, process | compile s | share of the floor |"
    )
    rows = [head, "|---" * 10 + "|"]
    for case, sides in names(record).items():
        for side in sides:
            rows.append("| " + " | ".join([case, side, *cells(record, value, case, side, sides[0])]) + " |")
    return "\n".join(rows)


def cells(record: dict, value: Value, case: str, side: str, first: str) -> list[str]:
    """The numbers of a row of `full`."""
    times = []
    for direction in DIRECTIONS:
        seconds = value(case, side, f"{direction}_seconds")
        varies = "" if seconds is None else f"{100 * spread(record, case, side, direction):.0f} %"
        times += ["" if seconds is None else f"{1e3 * seconds:.3g}", varies]
    wall = ratios(value, case, side, first)
    cpu = ratios(value, case, side, first, "cpu_seconds")
    over = " / ".join("" if x is None else f"{x:.2f} ({y:.2f})" for x, y in zip(wall, cpu, strict=True))
    sizes = [value(case, side, f"both_{kind}_bytes") for kind in ("temporary", "peak")]
    compiled = [value(case, side, f"{d}_compile_seconds") for d in DIRECTIONS]
    floor = ratios(value, case, "floor", side)
    return [
        *times,
        over,
        ", ".join("–" if x is None else f"{x / 1e6:.3g}" for x in sizes),
        joined(compiled, "{:.2g}"),
        joined(floor, "{:.2f}"),
    ]


def joined(values, form: str) -> str:
    """Numbers side by side."""
    return " / ".join("" if x is None else form.format(x) for x in values)


def spread(record: dict, case: str, side: str, direction: str) -> float:
    """Half the range between the quartiles, as a share of the median."""
    values = record["metrics"][f"{case}/{side}/{direction}_seconds"]["values"]
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4)
    return (high - low) / 2 / middle


def lines(case: str, baseline: str, found: dict) -> str:
    """A case in words while the run goes on."""
    record = {"metrics": {f"{case}/{k}": {"values": v if isinstance(v, list) else [v]} for k, v in found.items()}}
    value = reader(record)
    rows = []
    for side in names(record).get(case, []):
        shown = [
            "      –" if (x := value(case, side, f"{d}_seconds")) is None else f"{1e3 * x:9.3f} ms" for d in DIRECTIONS
        ]
        over = joined(ratios(value, case, side, baseline), "{:.3f}")
        rows.append(f"{case:18} {side:16} {' '.join(shown)}  {over}")
    return "\n".join(rows)


def text(record: dict) -> str:
    """All tables of a record."""
    head = f"{record['device']}, {record['config']['threads']} thread(s)"
    return "\n\n".join([head, summary(record), targets(record), full(record)]) + "\n"


def write(path: Path, record: dict) -> None:
    """`path` is the results file: its table and figures go beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".md").write_text(text(record), encoding="utf-8")
    figures.draw(record, path)


def embed(path: Path, record: dict, name: str = "") -> None:
    """Puts the summary of a record, or of what `make gpu` found, between the marks of a Markdown file.

    Args:
      path: the file.
      record: of one run.
      name: after "speed" in the marks.
    """
    start, end = (mark.replace("speed", f"speed {name}") if name else mark for mark in MARKS)
    table = summary_of_gpu(record) if "stages" in record else summary(record, () if name else NOT_MEASURED)
    before, _, rest = path.read_text(encoding="utf-8").partition(start)
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{start}\n{table}\n{end}{after}", encoding="utf-8")


def summary_of_gpu(found: dict) -> str:
    """The same of an accelerator, with its name."""
    record = found["stages"]["speed"]["record"]
    done = {case.split("/")[0] for case in record["metrics"]}
    missing = [in_words(case) for case in PRESETS["gpu"].cases if case not in done]
    packages = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return f"{record['device']}; {packages}.\n\n{summary(record, missing)}"


if __name__ == "__main__":
    embed(Path(sys.argv[2]), json.loads(Path(sys.argv[1]).read_text()), *sys.argv[3:])
