"""A terminal that knows ASCII only gets words, never an error; one that knows more gets what was written."""

import io
import sys
from dataclasses import dataclass

import pytest
from rich.console import Console

from experiments import __main__ as listing
from experiments.common import command, results, seeds, terminal

ENCODINGS = pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])


@pytest.fixture
def install(monkeypatch):
    """Puts a strict terminal of an encoding in place; to be called in the test, since pytest has one of its own."""

    def put(encoding):
        received = io.BytesIO()
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, io.TextIOWrapper(received, encoding=encoding, write_through=True))
        return lambda: received.getvalue().decode(encoding)

    return put


def expected(words, encoding):
    """As written where the encoding has it."""
    plus_minus, dash, arrow = {"ascii": ("+-", "-", "->"), "latin-1": ("±", "-", "->"), "utf-8": "±–→"}[encoding]
    return words.replace("±", plus_minus).replace("–", dash).replace("→", arrow)


@ENCODINGS
def test_any_character_is_printed(encoding, install):
    shown = install(encoding)
    words = "1 ± 2 – a → b é ☃"
    terminal.any_terminal()
    print(words)
    rest = {"ascii": "e ?\n", "latin-1": "é ?\n", "utf-8": "é ☃\n"}[encoding]
    assert shown() == expected("1 ± 2 – a → b ", encoding) + rest


@ENCODINGS
def test_the_list_of_experiments_is_printed(encoding, install, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "400")
    shown = install(encoding)
    record = results.describe("digits", {}, {"accuracy": [0.5, 0.7]}, 1.0)
    results.write(tmp_path / "digits" / "cpu.json", record)
    monkeypatch.setattr(listing, "last_result", lambda name, last=listing.last_result: last(name, tmp_path))
    listing.main()
    assert expected("accuracy 0.6 ± 0.14", encoding) in shown()


def test_a_name_after_the_list_is_told_how_it_is_run(capsys):
    with pytest.raises(SystemExit) as stop:
        listing.main(["citaton", "--preset", "smoke"])
    assert stop.value.code == 2 and "python -m experiments.citation --help" in capsys.readouterr().err


@dataclass(frozen=True)
class Config:
    hidden_dim: int = 2


@ENCODINGS
def test_an_experiment_prints_its_table_and_its_help(encoding, install, monkeypatch, tmp_path):
    shown = install(encoding)

    def run(config, options):
        """An encoder–decoder."""
        Console(width=80).print(seeds.table("a → b", {"accuracy": [0.5, 0.7]}))
        return {"accuracy": [0.5]}

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TGNN_DATA_DIR", raising=False)
    command.main("demo", {"cpu": Config()}, run, argv=[])
    assert expected("± sd", encoding) in shown() and expected("a → b", encoding) in shown()
    with pytest.raises(SystemExit):
        command.main("demo", {"more – or less": Config()}, run, argv=["--help"])
    assert expected("more – or less", encoding) in shown()
