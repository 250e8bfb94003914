"""SMILES, the line notation of molecules, read into atoms and bonds without a chemistry package.

Read: the organic subset, bracket atoms, branches, ring closures, bond symbols, charges, hydrogens, isotopes, dots.
Skipped: chirality and cis/trans marks, which say nothing about which atoms are bonded.
Reference: Weininger, "SMILES, a chemical language and information system", 1988; opensmiles.org.
"""

import re
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tgnn.datasets.records import Part

AROMATIC = 4  # code of an aromatic bond, beside 1, 2 and 3

ELEMENTS = (
    "* H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb "
    "Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au "
    "Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv "
    "Ts Og"
).split()

_NUMBER = {symbol: number for number, symbol in enumerate(ELEMENTS)}
_VALENCES = {"B": (3,), "C": (4,), "N": (3, 5), "O": (2,), "P": (3, 5), "S": (2, 4, 6)}
_VALENCES |= {halogen: (1,) for halogen in ("F", "Cl", "Br", "I")}
_ORDERS = {"-": 1, "/": 1, "\\": 1, "=": 2, "#": 3, ":": AROMATIC}
_TOKEN = re.compile(
    r"(?P<bracket>\[[^\[\]]*\])|(?P<atom>Br|Cl|[BCNOPSFIbcnops*])|(?P<bond>[-=#:/\\])"
    r"|(?P<ring>%\d\d|\d)|(?P<mark>[().])",
    re.ASCII,
)
_BRACKET = re.compile(
    r"\[\d*(?P<symbol>[A-Z][a-z]?|se|as|[bcnops]|\*)(?:@@|@)?(?P<hydrogens>H\d?)?"
    r"(?P<charge>[+-]\d+|\++|-+)?(?::\d+)?\]",
    re.ASCII,
)


@dataclass(frozen=True, eq=False)
class Molecule:
    """Atoms and bonds; each bond once.

    Attributes:
        elements: int32 [n_atom] atomic numbers, 0 for the wildcard `*`.
        charges: int32 [n_atom].
        hydrogens: int32 [n_atom] hydrogens on the atom that are not atoms of their own.
        aromatic: bool [n_atom].
        bonds: int32 [n_bond, 2] atom indices.
        orders: int32 [n_bond] 1, 2, 3, or 4 = aromatic.
    """

    elements: Annotated[np.ndarray, Part("atom", below=len(ELEMENTS))]
    charges: Annotated[np.ndarray, Part("atom")]
    hydrogens: Annotated[np.ndarray, Part("atom")]
    aromatic: Annotated[np.ndarray, Part("atom")]
    bonds: Annotated[np.ndarray, Part("bond", below=lambda molecule: len(molecule.elements), ndim=2)]
    orders: Annotated[np.ndarray, Part("bond", low=1, below=AROMATIC + 1)]


def parse_smiles(smiles: str) -> Molecule:
    """The molecule that a SMILES string writes.

    Example:
        >>> ethanol = parse_smiles("CCO")
        >>> ethanol.elements.tolist(), ethanol.hydrogens.tolist(), ethanol.bonds.tolist()
        ([6, 6, 8], [3, 2, 1], [[0, 1], [1, 2]])

    Raises:
        ValueError: not a SMILES string, two atoms are bonded twice, or an aromatic atom is on no ring; the message
            shows where.
    """
    if not isinstance(smiles, str):
        raise ValueError(f"smiles is {smiles!r}, expected a string such as 'CCO'; pass one molecule at a time")
    atoms, bonds, places = _read(smiles)
    ends = np.array([pair for pair, _ in bonds], np.int32).reshape(-1, 2)
    aromatic = np.array([symbol.islower() for symbol, _, _ in atoms], bool)
    # An unwritten bond is aromatic if it lies on a ring of aromatic atoms, and not between two such rings.
    implied = np.ones(len(bonds), np.int32)
    kept = np.flatnonzero(aromatic[ends].all(1))
    implied[kept[_on_rings(ends[kept], len(atoms))]] = AROMATIC
    orders = np.array([order or implied[i] for i, (_, order) in enumerate(bonds)], np.int32)
    ringed = np.zeros(len(atoms), bool)
    ringed[ends[(orders == AROMATIC) | _on_rings(ends, len(atoms))]] = True
    for i in np.flatnonzero(aromatic & ~ringed):
        raise _error(smiles, places[i], "an aromatic atom on a ring")
    used = np.bincount(ends.reshape(-1), np.repeat(np.where(orders == AROMATIC, 1, orders), 2), len(atoms)).astype(int)
    hydrogens = [
        _free_valence(symbol, int(used[i])) if count is None else count for i, (symbol, count, _) in enumerate(atoms)
    ]
    elements = np.array([_NUMBER[symbol.capitalize()] for symbol, _, _ in atoms], np.int32)
    charges = np.array([charge for _, _, charge in atoms], np.int32)
    return Molecule(elements, charges, np.array(hydrogens, np.int32), aromatic, ends, orders)


def _read(smiles: str) -> tuple[list, list, list[int]]:
    """Atoms (symbol, hydrogens or None, charge), bonds ((first, second), order or None), and where each atom stands."""
    atoms, bonds, places, branches, rings = [], [], [], [], {}
    previous = order = None
    position = 0
    while position < len(smiles):
        token = _TOKEN.match(smiles, position)
        if token is None:
            raise _error(smiles, position, "an atom, bond, ring number, bracket or dot")
        kind, text = token.lastgroup, token.group()
        if kind in ("atom", "bracket"):
            atoms.append(_bracket(smiles, position, text) if kind == "bracket" else (text, None, 0))
            places.append(position)
            if previous is not None:
                bonds.append(((previous, len(atoms) - 1), order))
            elif order is not None:
                raise _error(smiles, position, "no bond before the first atom of a part")
            previous, order = len(atoms) - 1, None
        elif kind == "bond" and order is None:
            order = _ORDERS[text]
        elif kind == "ring" and previous is not None:
            _close_ring(smiles, position, rings, bonds, int(text.strip("%")), previous, order)
            order = None
        elif order is None and text == "(" and previous is not None:
            branches.append(previous)
        elif order is None and text == ")" and branches:
            previous = branches.pop()
        elif order is None and text == "." and not branches:
            previous = None
        else:
            raise _error(smiles, position, "an atom")
        position = token.end()
    if order is not None or branches or rings or not atoms:
        raise _error(smiles, position, "an atom after a bond, closed branches and rings, and at least one atom")
    return atoms, bonds, places


def _close_ring(smiles, position, rings, bonds, number, atom, order) -> None:
    if number not in rings:
        rings[number] = (atom, order)
        return
    other, other_order = rings.pop(number)
    if other == atom or (order and other_order and order != other_order):
        raise _error(smiles, position, "a ring between two atoms, with one kind of bond")
    if any(pair in ((other, atom), (atom, other)) for pair, _ in bonds):
        raise _error(smiles, position, "a ring between atoms that have no bond yet")
    bonds.append(((other, atom), order or other_order))


def _bracket(smiles: str, position: int, text: str) -> tuple[str, int, int]:
    match = _BRACKET.fullmatch(text)
    if match is None or match["symbol"].capitalize() not in _NUMBER:
        raise _error(smiles, position, "a bracket atom such as [NH4+]")
    hydrogens = match["hydrogens"]
    charge = match["charge"] or "0"
    size = int(charge[1:]) if charge[1:].isdigit() else len(charge)
    signed = 0 if charge == "0" else size if charge[0] == "+" else -size
    return match["symbol"], int(hydrogens[1:] or 1) if hydrogens else 0, signed


def _on_rings(ends: np.ndarray, n_atom: int) -> np.ndarray:
    """Of each bond, whether its two ends are joined by the others too: bool [n_bond]."""
    pairs: list[tuple[int, int]] = [tuple(pair) for pair in ends.tolist()]
    neighbors: list[list[tuple[int, int]]] = [[] for _ in range(n_atom)]
    for bond, (first, second) in enumerate(pairs):
        neighbors[first].append((second, bond))
        neighbors[second].append((first, bond))
    parent, via, depth = [-1] * n_atom, [-1] * n_atom, [-1] * n_atom  # of a spanning tree
    for root in range(n_atom):
        queue = [root] if depth[root] < 0 else []
        depth[root] = max(depth[root], 0)
        for atom in queue:
            for other, bond in neighbors[atom]:
                if depth[other] < 0:
                    parent[other], via[other], depth[other] = atom, bond, depth[atom] + 1
                    queue.append(other)
    found = np.zeros(len(pairs), bool)
    for bond, (first, second) in enumerate(pairs):
        if bond not in (via[first], via[second]):  # it closes a ring with the tree's path between its ends
            found[bond] = True
            while first != second:
                first, second = (first, second) if depth[first] >= depth[second] else (second, first)
                found[via[first]] = True
                first = parent[first]
    return found


def _free_valence(symbol: str, used: int) -> int:
    """Hydrogens that fill an atom without brackets, whose bonds use `used`, to its lowest fitting valence."""
    if symbol == "*":
        return 0
    if symbol.islower():  # one electron is in the ring; a ring atom never takes a higher valence
        return max(0, _VALENCES[symbol.capitalize()][0] - used - 1)
    return next((valence - used for valence in _VALENCES[symbol] if valence >= used), 0)


def _error(smiles: str, position: int, expected: str) -> ValueError:
    found = smiles[position : position + 5]
    return ValueError(f"SMILES {smiles!r} at position {position} has {found!r}, expected {expected}; correct it")
