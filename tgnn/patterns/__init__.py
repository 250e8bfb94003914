"""Sequence -> graph: who sees whom, as a layout, and `|`, `&`, `-` between them.

`tgnn.patterns.window(9, 2) | tgnn.patterns.expander(9)` is a layout like any other: `attend` takes it. Every builder
gives the layout that stores its rule best, and no builder makes an n * n mask. `statistics` measures a pattern, `draw`
draws it.
"""

from tgnn.patterns.expanders import expander as expander
from tgnn.patterns.hashing import lsh_buckets as lsh_buckets
from tgnn.patterns.hops import k_hop as k_hop
from tgnn.patterns.hubs import bigbird as bigbird
from tgnn.patterns.hubs import longformer as longformer
from tgnn.patterns.hubs import star as star
from tgnn.patterns.meshes import Mesh as Mesh
from tgnn.patterns.meshes import icosahedral_mesh as icosahedral_mesh
from tgnn.patterns.partition import binary_partition as binary_partition
from tgnn.patterns.partition import relations as relations
from tgnn.patterns.partition import spans as spans
from tgnn.patterns.pasts import cached_past as cached_past
from tgnn.patterns.pasts import causal as causal
from tgnn.patterns.pasts import complete as complete
from tgnn.patterns.pasts import document as document
from tgnn.patterns.pasts import memory as memory
from tgnn.patterns.pasts import prefix as prefix
from tgnn.patterns.pictures import draw as draw
from tgnn.patterns.sparse import fixed as fixed
from tgnn.patterns.sparse import fixed_parts as fixed_parts
from tgnn.patterns.sparse import strided as strided
from tgnn.patterns.sparse import strided_parts as strided_parts
from tgnn.patterns.summary import Statistics as Statistics
from tgnn.patterns.summary import statistics as statistics
from tgnn.patterns.trees import constituency as constituency
from tgnn.patterns.trees import dependency as dependency
from tgnn.patterns.windows import adaptive_span as adaptive_span
from tgnn.patterns.windows import chain as chain
from tgnn.patterns.windows import dilated as dilated
from tgnn.patterns.windows import window as window
