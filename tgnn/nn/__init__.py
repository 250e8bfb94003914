"""Layers: pairs of functions on nested dicts, from a linear map to a Transformer."""

from tgnn.nn.basic import dropout as dropout
from tgnn.nn.basic import embedding as embedding
from tgnn.nn.basic import fold as fold
from tgnn.nn.basic import init_embedding as init_embedding
from tgnn.nn.basic import init_layer_norm as init_layer_norm
from tgnn.nn.basic import init_linear as init_linear
from tgnn.nn.basic import init_mlp as init_mlp
from tgnn.nn.basic import init_rms_norm as init_rms_norm
from tgnn.nn.basic import layer_norm as layer_norm
from tgnn.nn.basic import linear as linear
from tgnn.nn.basic import mlp as mlp
from tgnn.nn.basic import rate_when_training as rate_when_training
from tgnn.nn.basic import rms_norm as rms_norm
from tgnn.nn.edge_dropping import drop_edges as drop_edges
from tgnn.nn.graph_norms import Moments as Moments
from tgnn.nn.graph_norms import batch_norm as batch_norm
from tgnn.nn.graph_norms import graph_norm as graph_norm
from tgnn.nn.graph_norms import init_batch_norm as init_batch_norm
from tgnn.nn.graph_norms import init_graph_norm as init_graph_norm
from tgnn.nn.readouts import attention_pool as attention_pool
from tgnn.nn.readouts import init_attention_pool as init_attention_pool
from tgnn.nn.readouts import init_top_k_pool as init_top_k_pool
from tgnn.nn.readouts import jumping_knowledge as jumping_knowledge
from tgnn.nn.readouts import pair_features as pair_features
from tgnn.nn.readouts import sort_pool as sort_pool
from tgnn.nn.readouts import top_k_pool as top_k_pool
