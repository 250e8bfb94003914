"""ProteinMPNN with its published weights on two published backbones."""

import gzip

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.networks import N, protein_network
from tgnn import pretrained
from tgnn.pretrained.proteinmpnn import ALPHABET, joined

NAMES = "ALA CYS ASP GLU PHE GLY HIS ILE LYS LEU MET ASN PRO GLN ARG SER THR VAL TRP TYR".split()


def read_backbone(path):
    """Coordinates [n, 4, 3], residue numbers and sequence of the first chain of a PDB file."""
    residues = {}
    for line in gzip.open(path, "rt"):
        if line.startswith("ATOM") and line[17:20] in NAMES and line[16] in " A":
            atoms = residues.setdefault(int(line[22:26]), {"name": line[17:20]})
            atoms.setdefault(line[12:16].strip(), [float(line[i : i + 8]) for i in (30, 38, 46)])
    coordinates = np.array([[atoms[name] for name in ("N", "CA", "C", "O")] for atoms in residues.values()], np.float32)
    sequence = np.array([NAMES.index(atoms["name"]) for atoms in residues.values()])
    return coordinates, np.array(list(residues)), sequence


@pytest.mark.slow
@pytest.mark.parametrize(("name", "recovery", "loss"), [("5L33", 0.500, 1.587), ("6MRR", 0.588, 1.454)])
def test_proteinmpnn_recovers_as_many_residues_as_the_published_network(data_dir, name, recovery, loss):
    folder = data_dir("proteinmpnn")
    params, model = pretrained.load(folder)
    backbone = read_backbone(folder / f"{name}.pdb.gz")
    found, sequence = model(params, *backbone), backbone[2]
    assert found.neighbors.shape == (len(sequence), 48)
    np.testing.assert_array_equal(found.neighbors[:, 0], np.arange(len(sequence)))
    right = found.log_probabilities[np.arange(len(sequence)), sequence]
    assert abs((found.log_probabilities.argmax(-1) == sequence).mean() - recovery) < 6e-4
    assert abs(-right.mean() - loss) < 6e-4
    # the same edges as a list, and a residue after i changes nothing at i
    table = np.asarray(found.neighbors)
    receivers = np.repeat(np.arange(len(table)), table.shape[1])
    listed = tgnn.EdgeList.from_edges(table.ravel(), receivers, n_receivers=len(table))
    changed = (*backbone[:2], np.where(np.arange(len(sequence)) >= 50, 0, sequence))
    again = model(params, *changed, layout=listed).log_probabilities
    np.testing.assert_allclose(again[:51], found.log_probabilities[:51], rtol=1e-4, atol=1e-4)
    assert jnp.abs(again[51:] - found.log_probabilities[51:]).max() > 1e-2


def test_the_edges_of_a_layers_only_head_are_those_of_the_layer():
    own, named = tgnn.Window(4, 1, 1), tgnn.Causal(4)
    edges, sent = joined({(2, 0): named}, lambda: own, 4, 6)
    for layer, live in enumerate(sent):
        ends = (np.broadcast_to(x, live.shape)[live] for x in (edges.senders, edges.receiver_index))
        found = tgnn.EdgeList(*ends, 4, 4)
        np.testing.assert_array_equal(found.adjacency(), (named if layer == 2 else own).adjacency())
    with pytest.raises(ValueError, match="layout names head 3, but there are 1"):
        joined({(0, 3): named}, lambda: own, 4, 6)


@pytest.mark.slow
def test_weights_of_half_precision_see_the_same_neighbours():
    x = np.random.default_rng(1).normal(size=(N, 4, 3)).astype(np.float32) + 100
    net, rest = protein_network(), (np.arange(N), np.zeros(N, int))
    half = net.model(jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), net.params), x, *rest)
    np.testing.assert_array_equal(half.neighbors, net.model.graph(x).senders)
    whole = net.model(net.params, x, *rest).log_probabilities
    np.testing.assert_allclose(half.log_probabilities, whole, atol=0.2)


def test_backbones_that_do_not_fit_are_refused(data_dir):
    params, model = pretrained.load(data_dir("proteinmpnn"))
    n = 3
    x, number, sequence = np.ones((n, 4, 3)), np.arange(n), np.zeros(n, int)
    for arguments, message in (
        ((x[:, :3], number, sequence), "coordinates must have shape"),
        ((x * np.nan, number, sequence), "NaN or inf"),
        ((x, number[:2], sequence), "residue_index must have shape"),
        ((x, number, sequence + len(ALPHABET)), "sequence goes from 21"),
    ):
        with pytest.raises(ValueError, match=message):
            model(params, *arguments)
    with pytest.raises(ValueError, match="layout joins .4, 4. receivers"):
        model(params, x, number, sequence, layout=tgnn.Complete(4))
