"""How fast is attention on graphs, beside every other implementation that is installed?

Each case compares values and gradients first and refuses to time what is unequal; then the sides run in turn. Use
`python -m experiments.speed`: it pins the process to one processor before JAX and torch are imported.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import jax

from experiments.common import command, results
from experiments.common.failures import check_file
from experiments.speed import calibrate, cases, machine, measure, report
from experiments.speed.cases.case import Case
from experiments.speed.config import PRESETS, Config


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, and which cases to run."""

    threads: int = 1
    """Processors that every side may use; the process is pinned to them."""
    cases: tuple[str, ...] = ()
    """Only these cases, such as edges-arxiv, or all that begin like this, such as edges or epoch-molecules."""
    calibrate: Path | None = None
    """Measure only what tgnn.plan decides by, and write it to this file (see tgnn/planning/timings.json)."""

    keeps_checkpoints: ClassVar[bool] = False
    keeps_programs: ClassVar[bool] = False  # compilation is measured too
    remedy: ClassVar[str] = "the cases that were done are in the results file"


def run(config: Config, options: Options) -> dict[str, list[float]]:
    """Metrics named `case/side/quantity`, a value per repetition."""
    if options.calibrate is not None:
        try:
            check_file("--calibrate", options.calibrate)
        except ValueError as error:
            raise command.Mistake(str(error)) from error
        return calibrate.run(config, options.calibrate)
    jax.config.update("jax_default_matmul_precision", "highest")  # float32 is float32 on every device, as in torch
    names = list(chosen(config, options))
    limits = machine.measure(*(256, 1024) if config.budget > 1 else (4, 128))
    metrics = {f"machine/{name}": [value] for name, value in limits._asdict().items()}
    unequal, started, record = 0, time.perf_counter(), {}
    for name in names:
        for case in cases.make(name, config, options.data_dir):
            try:
                metrics |= one(case, config, limits)
            except measure.Unequal as error:
                unequal += 1
                print(f"NOT TIMED: {case.name}: {error}", file=sys.stderr, flush=True)
            jax.clear_caches()
            metrics["machine/unequal_cases"] = [unequal]
            # After every case, so that a run that is cut short is not lost.
            record = results.describe(
                "speed", command.recorded(config, options), metrics, time.perf_counter() - started
            )
            results.write(options.json, record)
            report.write(options.json, record)
    if record:
        print(report.summary(record, missing=()))
    return metrics


def chosen(config: Config, options: Options) -> Iterator[str]:
    """The cases of the preset that were asked for, and those that only the command line names."""
    if not options.cases:
        yield from config.cases
    for name in options.cases:
        if name.split("-")[0] not in cases.FAMILIES:
            raise command.Mistake(f"unknown case {name!r}; the families are {', '.join(cases.FAMILIES)}")
        family = [x for x in config.cases if x.startswith(f"{name}-")]
        yield from family or [name]


def one(case: Case, config: Config, limits: machine.Limits) -> dict[str, list[float]]:
    """All metrics of one case."""
    sides = {}
    for name, build in case.sides.items():
        try:
            if name not in config.without:
                sides[name] = build()
        except (ImportError, NotImplementedError, RuntimeError) as reason:
            if name.startswith("tgnn"):  # a peer may be missing or unable; we may not
                raise
            print(f"{case.name}: without {name}: {str(reason).splitlines()[0]}", file=sys.stderr, flush=True)
    if case.baseline not in sides:
        return {}
    found: dict = measure.check_equal(sides, case.baseline, case.tolerance)
    found |= {f"{side}/{cost}": value for side, x in sides.items() for cost, value in x.costs.items()}
    found |= measure.peaks(sides)
    found |= measure.time_all(sides, config)
    for direction, cost in (("forward", case.forward), ("both", case.both)):
        found[f"floor/{direction}_seconds"] = limits.seconds(cost.bytes, cost.flops)
    found["graph/edges"] = case.forward.edges
    print(report.lines(case.name, case.baseline, found), flush=True)
    return {f"{case.name}/{name}": x if isinstance(x, list) else [float(x)] for name, x in found.items()}


def main(argv: Sequence[str] | None = None) -> None:
    """The command line; exit status 1 where sides of a case differ."""
    record = command.main("speed", PRESETS, run, options_type=Options, argv=argv)
    unequal = record["metrics"].get("machine/unequal_cases")
    if unequal and unequal["mean"]:
        raise SystemExit("some cases compute different things and were not timed; see above")
