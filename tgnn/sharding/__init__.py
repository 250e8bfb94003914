"""One call of `attend` on many devices: by heads, edges, nodes or around a ring; parameters, batches and processes."""

from tgnn.sharding.counting import Traffic as Traffic
from tgnn.sharding.counting import traffic as traffic
from tgnn.sharding.edges import attend_edges as attend_edges
from tgnn.sharding.edges import split_edges as split_edges
from tgnn.sharding.heads import attend_heads as attend_heads
from tgnn.sharding.nodes import attend_nodes as attend_nodes
from tgnn.sharding.owners import choose_owners as choose_owners
from tgnn.sharding.partition import Partition as Partition
from tgnn.sharding.partition import partition_nodes as partition_nodes
from tgnn.sharding.processes import data_mesh as data_mesh
from tgnn.sharding.processes import is_first as is_first
from tgnn.sharding.processes import join as join
from tgnn.sharding.processes import own_copy as own_copy
from tgnn.sharding.ring import attend_ring as attend_ring
from tgnn.sharding.rules import place as place
from tgnn.sharding.rules import place_batch as place_batch
from tgnn.sharding.rules import shardings as shardings
from tgnn.sharding.storage import load_parts as load_parts
from tgnn.sharding.storage import save_parts as save_parts
