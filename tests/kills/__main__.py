"""`make kills KILLS=20`: kills a language and a molecules run by SIGKILL and SIGTERM, in the middle of saves too.

Each resumed run must end with the bits of an undisturbed one. Needs the data sets of the two experiments.
"""

import argparse
import random
import secrets
import sys
import tempfile
from pathlib import Path

from tests.kills.kill import SIGNALS, kill_often, undisturbed
from tests.kills.runs import RUNS

CHAIN = 3  # kills of one run


def main() -> int:
    """Exit status 1 where a run ends otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, help="of the moments (default: a fresh one)")
    parser.add_argument("--only", choices=RUNS, help="one of the two")
    options = parser.parse_args()
    seed = secrets.randbits(32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    rng, names = random.Random(seed), [options.only] if options.only else list(RUNS)
    with tempfile.TemporaryDirectory(prefix="tgnn-kills-") as folder:
        expected = {name: undisturbed(name, Path(folder) / f"{name}-undisturbed") for name in names}
        met, runs = 0, 0
        while met < options.kills:
            name = names[runs % len(names)]
            left = min(CHAIN, options.kills - met)
            kills = [(SIGNALS[(met + i) % 2], rng.random() < 0.5) for i in range(left)]
            say = lambda words: print(words, flush=True)  # noqa: E731
            try:
                met += kill_often(name, Path(folder) / f"{name}-{runs}", kills, expected[name], rng, say)
            except AssertionError as error:
                print(error, file=sys.stderr)
                return 1
            runs += 1
    print(f"{met} kills in {runs} runs: every one ended with the bits of the undisturbed run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
