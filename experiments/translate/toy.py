"""A language of a dozen words and its translation, in which the verb comes last: for tests, and where no data is."""

import numpy as np

from tgnn.datasets.multi30k import Translations

NOUNS = {"dog": "hund", "cat": "kater", "man": "mann", "bird": "vogel", "boy": "junge"}
VERBS = {"sees": "sieht", "hears": "hört", "finds": "findet", "likes": "mag"}
COLOURS = {"red": "roter", "small": "kleiner", "old": "alter"}


def toy(n: int, seed: int) -> Translations:
    """`n` sentences such as "a red dog sees a cat ." and "ein roter hund ein kater sieht ."."""
    rng = np.random.default_rng(seed)

    def someone() -> tuple[str, str]:
        noun = rng.choice(list(NOUNS))
        colour = rng.choice([*COLOURS, ""])
        words = ("a", colour, noun), ("ein", COLOURS.get(colour, ""), NOUNS[noun])
        return tuple(" ".join(filter(None, part)) for part in words)  # pyright: ignore

    english, german = [], []
    for _ in range(n):
        verb, (first, erster), (second, zweiter) = rng.choice(list(VERBS)), someone(), someone()
        english.append(f"{first} {verb} {second} .")
        german.append(f"{erster} {zweiter} {VERBS[verb]} .")
    return Translations(tuple(english), tuple(german))
