"""What each device receives from the others in one call of `attend`, by count: the tests read it off the programs."""

from typing import NamedTuple

from tgnn.errors import check_size


class Traffic(NamedTuple):
    """Bytes of what the collectives of a call bring to one device.

    Attributes:
      forward: of the output.
      backward: of the gradients of query, key and value, beside that.
    """

    forward: int
    backward: int

    @property
    def both(self) -> int:
        """Of a step of training."""
        return self.forward + self.backward


def traffic(
    form: str,
    devices: int,
    nodes: int,
    heads: int = 8,
    head_dim: int = 64,
    *,
    n_sent: int = 0,
    itemsize: int = 4,
) -> Traffic:
    """The traffic of one layer, with equal numbers of heads and sizes of query, key and value.

    Args:
      form: "heads" (`attend_heads`), "edges" (`attend_edges`), "nodes" (`attend_nodes`) or "ring" (`attend_ring`).
      devices: along the axis.
      nodes: of the whole graph, receivers and senders alike.
      heads: of query, key and value.
      head_dim: numbers per head.
      n_sent: rows that all devices send, `Partition.n_sent`: for "nodes".
      itemsize: bytes of a number; sums by edges and gradients around a ring have 4 at least.

    Returns:
      Nothing is sent by heads. By edges maxima, sums, outputs and gradients of all nodes are added up over the
      devices; an all-reduce of so many bytes sends up to twice as many. By nodes the rows of senders that are read
      across the cut come in, and their gradients go back. Around a ring keys and values pass every device, backwards
      together with their gradients, which go one step further, home.

    Raises:
      ValueError: for other forms and no devices.

    >>> traffic("ring", 4, 1024, heads=1, head_dim=1)
    Traffic(forward=6144, backward=14336)
    """
    devices, nodes, n_sent = check_size("devices", devices, 1), check_size("nodes", nodes), check_size("n_sent", n_sent)
    row, wide = heads * head_dim * itemsize, max(itemsize, 4)
    if form == "heads":
        return Traffic(0, 0)
    if form == "edges":
        return Traffic(nodes * heads * wide * (2 + head_dim), nodes * heads * wide * (1 + 3 * head_dim))
    if form == "nodes":
        rows = n_sent // devices * 2 * row  # keys and values
        return Traffic(rows, rows)
    if form == "ring":
        share = nodes // devices * 2 * row
        slopes = share // itemsize * wide
        return Traffic((devices - 1) * share, (devices - 1) * share + devices * slopes)
    raise ValueError(f'form must be "heads", "edges", "nodes" or "ring", got {form!r}')
