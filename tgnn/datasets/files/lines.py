"""Lines and numbers of text files, taken strictly: Python's own readers accept more than a data file may hold.

`str.splitlines` breaks at U+2028 and seven other characters, `str.split()` at every kind of space, `int("1_0")` is 10.
"""

import math

BOM = "\ufeff"


def split_lines(text: str) -> list[str]:
    r"""Lines of a text that end in a newline or a carriage return and a newline, without these; blank ones included.

    Example:
        >>> split_lines("a\r\n\nb\u2028c\n")
        ['a', '', 'b\u2028c']
    """
    lines = text.removeprefix(BOM).split("\n")
    return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


def numbered_lines(text: str) -> list[tuple[int, str]]:
    """The lines that hold anything, each with its number in the file, from 1."""
    return [(number, line) for number, line in enumerate(split_lines(text), start=1) if line.strip()]


def words_of(line: str) -> tuple[str, ...]:
    """Words between spaces and tabs; other kinds of space belong to a word."""
    return tuple(filter(None, line.replace("\t", " ").split(" ")))


def integer(word: str) -> int:
    """A decimal integer in ASCII digits with an optional minus.

    Raises:
        ValueError: it is none.
    """
    if not (word.isascii() and word.removeprefix("-").isdigit() and len(word) < 19):  # fits into 64 bits
        raise ValueError(f"{word!r} is not an integer")
    return int(word)


def real(word: str) -> float:
    """A finite decimal number.

    Raises:
        ValueError: it is none.
    """
    if "_" in word or not word.isascii() or not math.isfinite(number := float(word)):
        raise ValueError(f"{word!r} is not a finite number")
    return number
