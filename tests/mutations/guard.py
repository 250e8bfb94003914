"""What a mutation is: a guard, the code without it, and the tests that should notice."""

from typing import NamedTuple


class Guard(NamedTuple):
    """One guard of the library.

    Attributes:
        path: its file, below the root of the project.
        before: its text, which stands there once.
        after: the text without it.
        tests: arguments of pytest; slow tests run where they are asked for, or the quick ones notice nothing.
    """

    path: str
    before: str
    after: str
    tests: str

    @property
    def name(self) -> str:
        """A line that tells it from the others."""
        return f"{self.path}: {' '.join(self.before.split())[:90]}"


def guards_of(path: str, tests: str, *changes: tuple[str, ...]) -> list[Guard]:
    """Guards of one file: (before, after), or (before, after, tests of its own)."""
    return [Guard(path, change[0], change[1], change[2] if change[2:] else tests) for change in changes]
