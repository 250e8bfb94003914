"""Results kept with the code, and the tables that are made of them."""

from pathlib import Path

import pytest

import experiments
from experiments.common import reproduction, results, tables

ROOT = Path(experiments.__file__).parent


def test_a_table_has_a_row_for_each_file_and_the_spread_of_several_runs(tmp_path):
    for name, config, values in (("a", {"model": "x"}, [0.5, 0.7]), ("b", {"model": "y"}, [0.25])):
        record = {"experiment": "e", "config": config, "metrics": {"error": results.summarise(values)}, "seconds": 1.0}
        results.write(tmp_path / f"{name}.json", record)
    expected = ["| file | model | runs | error |", "| --- | --- | --- | --- |", "| a | x | 2 | 0.6 ± 0.14 |"]
    assert tables.table(tmp_path).splitlines() == [*expected, "| b | y | 1 | 0.25 |"]
    with pytest.raises(ValueError, match="has no lines"):
        tables.written("# nothing", tmp_path)


@pytest.mark.parametrize("folder", tables.folders(ROOT), ids=lambda folder: folder.parent.name)
def test_readmes_say_what_the_results_say_and_the_results_name_no_machine(folder):
    readme = (folder.parent / "README.md").read_text(encoding="utf-8")
    assert readme == tables.written(readme, folder)
    for path in folder.glob("*.json"):
        assert path.stat().st_size < 50_000 and '"/' not in path.read_text(encoding="utf-8")


def test_the_page_holds_what_the_results_say_beside_what_papers_say():
    page = (ROOT.parent / "docs" / "results.md").read_text(encoding="utf-8")
    assert page == reproduction.written(page), "run: python -m experiments.common.reproduction docs/results.md"
    assert reproduction.shown(results.summarise([0.25, 0.35]), percent=True) == "30.0 ± 7.1 %"
    with pytest.raises(ValueError, match="has no lines"):
        reproduction.written("# nothing")
