"""Sizes of the main job: those of its two parts."""

from dataclasses import dataclass

import experiments.digits.config as digits
import experiments.pronounce.config as pronounce


@dataclass(frozen=True)
class Config:
    """One run."""

    digits: digits.Config
    pronounce: pronounce.Config


PRESETS = {
    # under ten minutes on 2 cores
    "quick": Config(digits.PRESETS["cpu"], pronounce.PRESETS["quick"]),
    # seconds: for tests
    "smoke": Config(digits.PRESETS["smoke"], pronounce.PRESETS["smoke"]),
}
