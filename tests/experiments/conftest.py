"""Every run of an experiment in these tests is also read as its user reads it: from the end."""

import io
import sys
from contextlib import redirect_stdout

import pytest

from experiments.__main__ import names
from experiments.common import command

ENDS_OF_TABLES = "└|"  # rich's, and Markdown's
WITHOUT_FIGURES = {"speed", "sampling"}  # the first draws its sweeps only, which take minutes; two rates need none
NOT_TRAINED = {"filter"}  # models that have no curve


class Tee(io.StringIO):
    """Keeps what is written, and passes it on."""

    def __init__(self, on):
        super().__init__()
        self.on = on

    def write(self, text):
        self.on.write(text)
        return super().write(text)


@pytest.fixture(autouse=True)
def runs_end_with_a_table_and_the_places_of_results_and_figures(monkeypatch):
    main = command.main

    def read(name, *args, **kwargs):
        if name not in names():
            return main(name, *args, **kwargs)
        with redirect_stdout(Tee(sys.stdout)) as said:
            record = main(name, *args, **kwargs)
        *lines, last = said.getvalue().splitlines()
        assert any(line.startswith(tuple(ENDS_OF_TABLES)) for line in lines[-3:]), "\n".join(lines[-3:])
        places, _, figures = last.removeprefix("results: ").partition("; figures: ")
        assert places and figures, last
        assert figures != "none" or name in WITHOUT_FIGURES or record["config"].get("model") in NOT_TRAINED, last
        return record

    monkeypatch.setattr(command, "main", read)


@pytest.fixture(autouse=True)
def processes_keep_their_programs_for_each_other(monkeypatch, tmp_path_factory):
    """Those that a test starts: a run that is resumed, or that shares its work, compiles what another has compiled."""
    monkeypatch.setenv("JAX_ENABLE_COMPILATION_CACHE", "true")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "programs"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")
