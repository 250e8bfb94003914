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
