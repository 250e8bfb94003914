"""From attention between tokens to a map between atoms, as published: one atom of the product after the other.

Reference: Schwaller et al., Extraction of organic chemistry grammar from unsupervised learning of chemical reactions,
Science Advances 7, eabe4166, 2021 (rxnmapper 0.4.3). RDKit's part, elements and bonds, is that of tgnn.datasets.smiles.
"""

import re
from typing import NamedTuple

import numpy as np

from tgnn.datasets.smiles import Molecule, parse_smiles


class Side(NamedTuple):
    """The reactants or the products: all atoms of all molecules."""

    tokens: np.ndarray  # [n_atom] which tokens of the reaction are its atoms
    elements: np.ndarray  # [n_atom]
    bonded: np.ndarray  # bool [n_atom, n_atom]


def is_atom(token: str) -> bool:
    """Whether a token is an atom, not a bond or a mark or one of BERT's own words."""
    return token not in ("[CLS]", "[SEP]") and (token[0].isalpha() or token[0] == "[" or "*" in token)


def molecules(smiles: str) -> Molecule:
    """All molecules of a side; the parts of a salt and dative bonds are bonds like others, as in the original."""
    return parse_smiles(smiles.replace("~", "-").replace("->", "-"))


def sides(reaction: str, tokens: list[str]) -> tuple[Side, Side]:
    """Reactants and products of a reaction whose tokens include [CLS] and [SEP]."""
    arrow, found = tokens.index(">>"), []
    places = np.array([i for i, token in enumerate(tokens) if is_atom(token)])
    for text, here in zip(reaction.split(">>"), (places[places < arrow], places[places > arrow]), strict=True):
        molecule = molecules(text)
        if len(molecule.elements) != len(here):
            raise ValueError(f"{text!r} has {len(molecule.elements)} atoms, but {len(here)} tokens; give valid SMILES")
        bonded = np.zeros((len(here), len(here)), bool)
        bonded[tuple(molecule.bonds.T)] = True
        found.append(Side(here, molecule.elements, bonded | bonded.T))
    return found[0], found[1]


def attention_between(weights: np.ndarray, reactants: Side, products: Side) -> np.ndarray:
    """`[n_token, n_token]` -> `[n_product, n_reactant]`: both directions, between atoms of one element only."""
    there = weights[np.ix_(products.tokens, reactants.tokens)]
    back = weights[np.ix_(reactants.tokens, products.tokens)]
    return (there + back.T) * (products.elements[:, None] == reactants.elements[None])


def map_atoms(attention: np.ndarray, reactants: Side, products: Side, multiplier: float) -> tuple[np.ndarray, float]:
    """The reactant atom of each product atom, -1 for none, and the confidence: the product of the atoms' shares.

    The atom that is surest comes first; then its neighbours' attention to its partner's neighbours is multiplied.
    """
    factor = np.ones_like(attention)
    found, confidence = np.full(len(attention), -1), 1.0
    for _ in range(len(attention)):
        weighted = attention * factor
        total = weighted.sum(1, keepdims=True)
        share = np.divide(weighted, total, out=np.zeros_like(weighted), where=total != 0)
        product = share.max(1).argmax()
        reactant = share[product].argmax()
        if np.isclose(share[product, reactant], 0):
            break
        found[product] = reactant
        confidence *= float(share[product, reactant])
        factor[np.ix_(products.bonded[product], reactants.bonded[reactant])] *= multiplier
        factor[product], factor[:, reactant] = 0, 0  # each is mapped once
    return found, confidence


def numbered(reaction: str, mapped: np.ndarray) -> list[np.ndarray]:
    """Map numbers of both sides' atoms, 0 for none: a product's are its places from 1 on."""
    reactants = np.zeros(len(molecules(reaction.split(">>")[0]).elements), int)
    reactants[mapped[mapped >= 0]] = np.flatnonzero(mapped >= 0) + 1
    return [reactants, np.arange(len(mapped)) + 1]


def written(tokens: list[str]) -> list[np.ndarray]:
    """Map numbers of both sides' atoms as a mapped reaction writes them: `[CH3:1]`."""
    arrow, found = tokens.index(">>"), []
    for side in (tokens[:arrow], tokens[arrow + 1 :]):
        numbers = [re.search(r":(\d+)\]$", token) for token in side if is_atom(token)]
        found.append(np.array([int(match[1]) if match else 0 for match in numbers]))
    return found
