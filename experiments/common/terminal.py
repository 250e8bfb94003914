"""What is printed reaches every terminal: one that knows ASCII only gets words for the signs that it lacks."""

import codecs
import io
import sys
import unicodedata

SIGNS = {"±": "+-", "→": "->", "–": "-", "—": "-", "“": '"', "”": '"', "×": "x", "…": "...", "✓": "ok", "·": "*"}


def spell(error: UnicodeError) -> tuple[str, int]:
    """The signs that a stream cannot encode, in signs that it can: a handler of `codecs`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(spelt, error.object[error.start : error.end])), error.end


def spelt(sign: str) -> str:
    """A sign in ASCII: its words, its letter without the accent, or a question mark."""
    plain = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return SIGNS.get(sign) or plain or "?"


def use_any_terminal() -> None:
    """From here on no sign that is printed can end the process."""
    codecs.register_error("spell", spell)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what captures output in a test may be another kind of stream
            stream.reconfigure(errors="spell")
