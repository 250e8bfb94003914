"""`make fuzz SECONDS=600`: random calls against a loop in NumPy float64, from fresh seeds; prints what fails."""

import argparse
import sys

import jax

from tests.fuzz import attention, reductions
from tests.fuzz.search import search

jax.config.update("jax_numpy_rank_promotion", "raise")  # as in the tests


def main() -> int:
    """Exit status 1 where a case fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, help="of the first round (default: a fresh one)")
    options = parser.parse_args()
    for module, share in ((attention, 0.75), (reductions, 0.25)):
        tried, finding = search(module, seconds=share * options.seconds, seed=options.seed)
        print(f"{module.__name__}: {tried} cases", flush=True)
        if finding is not None:
            print(f"one fails:\n\n{finding.program}\n{finding.error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
