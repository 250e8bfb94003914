"""The list of guards is that of the code; `make mutations` takes them away one by one."""

from collections import Counter
from functools import cache

import pytest

from tests.mutations import ALL
from tests.mutations.__main__ import ROOT, mutated

read = cache(lambda path: (ROOT / path).read_text(encoding="utf-8"))


def test_every_guard_stands_once_in_its_file():
    wrong = [guard.name for guard in ALL if read(guard.path).count(guard.before) != 1]
    assert not wrong, f"whoever changes a guard changes its line in tests/mutations too: {wrong}"


def test_there_are_many_and_no_mutation_stands_twice():
    assert len(ALL) >= 60
    assert max(Counter((guard.path, guard.before, guard.after) for guard in ALL).values()) == 1
    tests = {word for guard in ALL for word in guard.tests.split() if word.startswith("tests/")}
    assert all((ROOT / path).exists() for path in tests)


def test_a_guard_that_is_gone_and_a_change_that_is_no_python_are_errors():
    guard = ALL[0]
    with pytest.raises(ValueError, match="has 0 times"):
        mutated("", guard)
    with pytest.raises(SyntaxError):
        mutated(read(guard.path), guard._replace(after="("))


@pytest.mark.slow
def test_what_is_left_without_each_guard_is_python():
    for guard in ALL:
        mutated(read(guard.path), guard)
