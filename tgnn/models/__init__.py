"""Named architectures, one per file: each is a choice of graph, score and reduction."""

from tgnn.models.basic_gnn import basic_gnn as basic_gnn
from tgnn.models.basic_gnn import init_basic_gnn as init_basic_gnn
from tgnn.models.gat import gat as gat
from tgnn.models.gat import init_gat as init_gat
from tgnn.models.gated_gcn import gated_gcn as gated_gcn
from tgnn.models.gated_gcn import init_gated_gcn as init_gated_gcn
from tgnn.models.gatv2 import gatv2 as gatv2
from tgnn.models.gatv2 import init_gatv2 as init_gatv2
from tgnn.models.gcn import gcn as gcn
from tgnn.models.gcn import init_gcn as init_gcn
from tgnn.models.gin import gin as gin
from tgnn.models.gin import init_gin as init_gin
from tgnn.models.graph_network import graph_network as graph_network
from tgnn.models.graph_network import init_graph_network as init_graph_network
from tgnn.models.graph_sage import graph_sage as graph_sage
from tgnn.models.graph_sage import init_graph_sage as init_graph_sage
from tgnn.models.graph_transformer import graph_transformer as graph_transformer
from tgnn.models.graph_transformer import init_graph_transformer as init_graph_transformer
from tgnn.models.graphormer import Surroundings as Surroundings
from tgnn.models.graphormer import graphormer as graphormer
from tgnn.models.graphormer import init_graphormer as init_graphormer
from tgnn.models.graphormer import surroundings as surroundings
from tgnn.models.monet import init_monet as init_monet
from tgnn.models.monet import monet as monet
from tgnn.models.transformer_conv import init_transformer_conv as init_transformer_conv
from tgnn.models.transformer_conv import transformer_conv as transformer_conv
