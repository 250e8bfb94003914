"""Backbones of proteins, from files of the Protein Data Bank."""

import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np

# in the order of tgnn.pretrained.proteinmpnn.ALPHABET, that of one letter codes
RESIDUES = "ALA CYS ASP GLU PHE GLY HIS ILE LYS LEU MET ASN PRO GLN ARG SER THR VAL TRP TYR".split()


class Backbone(NamedTuple):
    """One chain."""

    coordinates: np.ndarray  # float32 [n, 4, 3] of N, CA, C and O, in Angstrom
    residue_index: np.ndarray  # [n]
    sequence: np.ndarray  # [n]


def read_backbone(path: Path) -> Backbone:
    """The only chain of a file; of atoms with several places the first."""
    residues: dict[int, dict] = {}
    with gzip.open(path, "rt") as file:
        for line in file:
            if line.startswith("ATOM") and line[17:20] in RESIDUES and line[16] in " A":
                atoms = residues.setdefault(int(line[22:26]), {"name": line[17:20]})
                atoms.setdefault(line[12:16].strip(), [float(line[i : i + 8]) for i in (30, 38, 46)])
    coordinates = [[atoms[name] for name in ("N", "CA", "C", "O")] for atoms in residues.values()]
    sequence = [RESIDUES.index(atoms["name"]) for atoms in residues.values()]
    return Backbone(np.array(coordinates, np.float32), np.array(list(residues)), np.array(sequence))
