"""Memory that a process has freed and asks for again comes without new pages."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from experiments.common.memory import keep_memory

if sys.argv[1] == "kept":
    assert keep_memory()


def touch():
    np.ones(2**23)  # 64 MiB, freed at once


def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


touch()
before = faults()
for _ in range(4):
    touch()
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library is Linux's")
def test_what_is_freed_is_not_asked_for_again():
    def count(how):
        done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    kept, given_back = count("kept"), count("given back")
    assert kept < 100 < given_back  # at 64 MiB and pages of 4 KiB four calls are 65,536 faults, of 2 MiB 128
