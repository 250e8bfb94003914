"""A graph in parts on disk: each process reads its own parts, so that no device and no process holds the whole."""

import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from tgnn.graphs.edge_list import EdgeList
from tgnn.sharding.on_mesh import check_mesh
from tgnn.sharding.partition import Partition
from tgnn.train.folder import local_path
from tgnn.typing import Array

SIZES = "parts.json"
ORDERS = "senders", "receivers", "mask", "order", "by_sender"  # arrays of an EdgeList


def save_parts(
    folder: str | os.PathLike[str],
    partition: Partition,
    arrays: Mapping[str, Any] | None = None,
    edge_arrays: Mapping[str, Any] | None = None,
) -> Path:
    """Writes a partition, and arrays of its nodes and edges, in a folder for each part.

    Args:
      folder: a local one that is empty or missing.
      partition: of `partition_nodes`.
      arrays: by name, [n_nodes, ...] in the caller's order, such as features and labels.
      edge_arrays: by name, [n_edge, ...] in the caller's order.

    Returns:
      The folder.

    Raises:
      ValueError: the folder is remote or not empty, or an array has another number of rows.
    """
    folder = local_path("folder", folder)
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"folder must be empty or missing, got {folder}; choose another")
    nodes, edges, n = np.asarray(partition.nodes), np.asarray(partition.edges), len(partition.place)
    n_edge = edges.max(initial=-1) + 1  # at least; numbers beyond are no edges
    given = {"nodes": (dict(arrays or {}), nodes, n), "edges": (dict(edge_arrays or {}), edges, n_edge)}
    for kind, (named, _, rows) in given.items():
        for name, x in named.items():
            if np.ndim(x) == 0 or (len(x) != rows if kind == "nodes" else len(x) < rows - 1):
                raise ValueError(f"{name} must have a row for each of {rows} {kind}, got shape {np.shape(x)}")
    for part in range(len(nodes)):
        there = folder / str(part)
        there.mkdir(parents=True)
        for name, x in fields(partition).items():
            np.save(there / f"{name}.npy", np.asarray(x[part]))
        for kind, (named, numbers, _) in given.items():
            for name, x in named.items():
                np.save(there / f"of_{kind}.{name}.npy", taken(np.asarray(x), numbers[part]))
    np.save(folder / "place.npy", np.asarray(partition.place))
    sizes: dict[str, Any] = {"parts": len(nodes), "hops": partition.hops, "n_cut": partition.n_cut}
    sizes |= {name: getattr(partition.layout, name) for name in ("n_receivers", "n_senders", "depth")}
    sizes |= {"fields": sorted(fields(partition))} | {kind: sorted(named) for kind, (named, _, _) in given.items()}
    (folder / SIZES).write_text(json.dumps(sizes, indent=2) + "\n", encoding="utf-8")  # last: all is there
    return folder


def fields(partition: Partition) -> dict[str, Array]:
    """The arrays of a partition that have an axis of parts."""
    layout = {f"layout.{name}": getattr(partition.layout, name) for name in ORDERS}
    sends = {f"sends.{i}": x for i, x in enumerate(partition.sends)}
    own = {"nodes": partition.nodes, "senders": partition.senders, "edges": partition.edges}
    return {name: x for name, x in {**layout, **own, **sends}.items() if x is not None}


def taken(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Some rows; zeros for numbers out of range."""
    inside = rows < len(x)
    found = np.zeros((len(rows), *x.shape[1:]), x.dtype)
    found[inside] = x[rows[inside]]
    return found


def load_parts(
    folder: str | os.PathLike[str], mesh: Mesh, axis: str
) -> tuple[Partition, dict[str, Array], dict[str, Array]]:
    """Reads a partition onto an axis of a mesh, and the arrays that were saved with it.

    Args:
      folder: of `save_parts`, which all processes see.
      mesh: with Auto axes; each device of `axis` gets one part, and each process reads the files of its devices.
      axis: its name.

    Returns:
      The partition, and as `attend_nodes` takes them the arrays of nodes, [parts * n_local, ...], and those of edges,
      [parts, n_edge of a part, ...].

    Raises:
      ValueError: nothing was saved there, not all of it, or for another number of devices.
    """
    folder = local_path("folder", folder)
    check_mesh(mesh, axis)
    if not (folder / SIZES).exists():
        raise ValueError(f"{folder} holds no graph in parts, or not all of one; write it with save_parts")
    sizes = json.loads((folder / SIZES).read_text(encoding="utf-8"))
    if sizes["parts"] != mesh.shape[axis]:
        raise ValueError(
            f"{folder} holds {sizes['parts']} parts, but the axis {axis!r} has {mesh.shape[axis]} devices; cut the "
            "graph into as many"
        )
    read = partial(read_parts, folder, NamedSharding(mesh, PartitionSpec(axis)), sizes["parts"])
    own = {name: read(name) for name in sizes["fields"]}
    layout = EdgeList(
        **{name: own.get(f"layout.{name}") for name in ORDERS},  # pyright: ignore
        **{name: sizes[name] for name in ("n_receivers", "n_senders", "depth")},
    )
    partition = Partition(
        layout=layout,
        sends=tuple(own[f"sends.{i}"] for i in range(len(sizes["hops"]))),
        place=np.load(folder / "place.npy", mmap_mode="r"),  # pyright: ignore
        hops=tuple(sizes["hops"]),
        n_cut=sizes["n_cut"],
        **{name: own[name] for name in ("nodes", "senders", "edges")},
    )
    nodes = {name: join(read(f"of_nodes.{name}")) for name in sizes["nodes"]}
    return partition, nodes, {name: read(f"of_edges.{name}") for name in sizes["edges"]}


def read_parts(folder: Path, spread: NamedSharding, parts: int, name: str) -> Array:
    """An array [parts, ...] of which each process reads what its devices hold."""
    first = np.load(folder / "0" / f"{name}.npy", mmap_mode="r")
    part = lambda place: np.load(folder / str(place[0].start or 0) / f"{name}.npy")[None]  # noqa: E731
    return jax.make_array_from_callback((parts, *first.shape), spread, part)


@jax.jit
def join(x: Array) -> Array:
    """[parts, n_local, ...] as [parts * n_local, ...]."""
    return x.reshape(-1, *x.shape[2:])
