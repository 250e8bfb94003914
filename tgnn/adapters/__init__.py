"""Doors from other libraries to `tgnn.attend`."""

from tgnn.adapters.flax import attention_fn as attention_fn
from tgnn.adapters.flax_layout import attention_on as attention_on
from tgnn.adapters.pyg import from_pyg as from_pyg
from tgnn.adapters.pyg_relations import from_pyg_relations as from_pyg_relations
from tgnn.adapters.relations import from_graphs_tuple as from_graphs_tuple
from tgnn.adapters.relations import from_hetero_data as from_hetero_data
from tgnn.adapters.relations import from_networkx_relations as from_networkx_relations
from tgnn.adapters.relations import to_graphs_tuple as to_graphs_tuple
from tgnn.adapters.relations import to_hetero_data as to_hetero_data
from tgnn.adapters.relations import to_networkx_relations as to_networkx_relations
