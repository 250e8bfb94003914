"""One call of `attend` on many devices: by heads, edges, nodes or around a ring; and parameters placed by rules."""

from tgnn.sharding.edges import attend_edges as attend_edges
from tgnn.sharding.edges import split_edges as split_edges
from tgnn.sharding.heads import attend_heads as attend_heads
from tgnn.sharding.nodes import attend_nodes as attend_nodes
from tgnn.sharding.partition import Partition as Partition
from tgnn.sharding.partition import partition_nodes as partition_nodes
from tgnn.sharding.ring import attend_ring as attend_ring
from tgnn.sharding.rules import place as place
from tgnn.sharding.rules import place_batch as place_batch
from tgnn.sharding.rules import shardings as shardings
