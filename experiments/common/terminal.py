"""Words on any terminal: what its encoding lacks is spelt out, "+-" for a plus-minus sign, instead of an error."""

import codecs
import sys
import unicodedata

SPELT = {
    "\N{PLUS-MINUS SIGN}": "+-",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{MIDDLE DOT}": "*",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{RIGHTWARDS ARROW}": "->",
    "\N{LEFTWARDS ARROW}": "<-",
    "\N{CHECK MARK}": "yes",
    "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{LEFT DOUBLE QUOTATION MARK}": '"',
    "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
    "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
}


def spelt(character: str) -> str:
    """A character in ASCII: by name, without its accents, a line or corner of a table, or "?"."""
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    if "BOX DRAWINGS" in unicodedata.name(character, ""):
        plain = "-" if "HORIZONTAL" in unicodedata.name(character) else "|"
    return SPELT.get(character) or plain or "?"


def spell_out(error: UnicodeError) -> tuple[str, int]:
    """What stands for the characters that could not be encoded: a handler of `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(spelt, error.object[error.start : error.end])), error.end


def any_terminal() -> None:
    """From here on nothing that is printed is an error of encoding."""
    codecs.register_error("spelt", spell_out)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a test or a notebook has taken its place
            stream.reconfigure(errors="spelt")  # type: ignore
