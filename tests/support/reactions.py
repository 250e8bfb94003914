"""Reactions as a chemist's network reads them: SMILES cut into atoms, bonds and brackets."""

import csv
import re

import numpy as np

# Schwaller et al., Molecular Transformer, arXiv:1811.02633
TOKENS = re.compile(
    r"\[[^\]]+]|Br?|Cl?|N|O|S|P|F|I|b|c|n|o|s|p|\(|\)|\.|=|#|-|\+|\\|/|:|~|@|\?|>>?|\*|\$|%[0-9]{2}|[0-9]"
)


def reaction_of(folder, length, seed):
    """Tokens of a reaction of exactly this length: molecules of `molecules_delaney` that react to the last of them."""
    with (folder / "delaney-processed.csv").open() as file:
        molecules = [row["smiles"].strip() for row in csv.DictReader(file)]
    molecules = [TOKENS.findall(smiles) for smiles in molecules if "".join(TOKENS.findall(smiles)) == smiles]
    order = np.random.default_rng(seed).permutation(len(molecules))
    product = molecules[order[0]]
    tokens = [">>", *product]
    for i in order[1:]:
        room = length - 3 - len(tokens)  # of [CLS], [SEP] and a dot
        if room > 0 and len(molecules[i]) <= room:
            tokens = [*molecules[i], ".", *tokens] if tokens[0] != ">>" else [*molecules[i], *tokens]
    tokens = ["C"] * (length - 2 - len(tokens)) + tokens  # a chain of carbon before the first molecule
    return ["[CLS]", *tokens, "[SEP]"]


def token_ids_of(vocabulary, folder, lengths):
    """Ids `[len(lengths), longest]` of such reactions under the words of a file, padded with 0."""
    words = vocabulary.read_text().split("\n")
    ids = np.zeros((len(lengths), max(lengths)), int)
    for b, length in enumerate(lengths):
        ids[b, :length] = [words.index(word) for word in reaction_of(folder, length, seed=b)]
    return ids
