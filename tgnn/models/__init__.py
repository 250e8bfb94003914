"""Named architectures, one per file: each is a choice of graph, score and reduction."""

from tgnn.models.graph_transformers.exphormer import exphormer as exphormer
from tgnn.models.graph_transformers.exphormer import init_exphormer as init_exphormer
from tgnn.models.graph_transformers.gps import gps as gps
from tgnn.models.graph_transformers.gps import init_gps as init_gps
from tgnn.models.graph_transformers.graph_transformer import graph_transformer as graph_transformer
from tgnn.models.graph_transformers.graph_transformer import init_graph_transformer as init_graph_transformer
from tgnn.models.graph_transformers.graphormer import graphormer as graphormer
from tgnn.models.graph_transformers.graphormer import init_graphormer as init_graphormer
from tgnn.models.graph_transformers.interactions import Interactions as Interactions
from tgnn.models.graph_transformers.interactions import interactions as interactions
from tgnn.models.graph_transformers.multi_graph_transformer import (
    init_multi_graph_transformer as init_multi_graph_transformer,
)
from tgnn.models.graph_transformers.multi_graph_transformer import init_sketch_embedding as init_sketch_embedding
from tgnn.models.graph_transformers.multi_graph_transformer import multi_graph_transformer as multi_graph_transformer
from tgnn.models.graph_transformers.multi_graph_transformer import sketch_embedding as sketch_embedding
from tgnn.models.graph_transformers.polynormer import init_polynormer as init_polynormer
from tgnn.models.graph_transformers.polynormer import polynormer as polynormer
from tgnn.models.graph_transformers.sgformer import init_sgformer as init_sgformer
from tgnn.models.graph_transformers.sgformer import sgformer as sgformer
from tgnn.models.graph_transformers.surroundings import Surroundings as Surroundings
from tgnn.models.graph_transformers.surroundings import surroundings as surroundings
from tgnn.models.message_passing.basic_gnn import basic_gnn as basic_gnn
from tgnn.models.message_passing.basic_gnn import init_basic_gnn as init_basic_gnn
from tgnn.models.message_passing.gat import gat as gat
from tgnn.models.message_passing.gat import init_gat as init_gat
from tgnn.models.message_passing.gated_gcn import gated_gcn as gated_gcn
from tgnn.models.message_passing.gated_gcn import init_gated_gcn as init_gated_gcn
from tgnn.models.message_passing.gatv2 import gatv2 as gatv2
from tgnn.models.message_passing.gatv2 import init_gatv2 as init_gatv2
from tgnn.models.message_passing.gcn import gcn as gcn
from tgnn.models.message_passing.gcn import init_gcn as init_gcn
from tgnn.models.message_passing.gin import gin as gin
from tgnn.models.message_passing.gin import init_gin as init_gin
from tgnn.models.message_passing.graph_network import graph_network as graph_network
from tgnn.models.message_passing.graph_network import init_graph_network as init_graph_network
from tgnn.models.message_passing.graph_sage import graph_sage as graph_sage
from tgnn.models.message_passing.graph_sage import init_graph_sage as init_graph_sage
from tgnn.models.message_passing.lightgcn import init_lightgcn as init_lightgcn
from tgnn.models.message_passing.lightgcn import lightgcn as lightgcn
from tgnn.models.message_passing.monet import init_monet as init_monet
from tgnn.models.message_passing.monet import monet as monet
from tgnn.models.message_passing.pinsage import init_pinsage as init_pinsage
from tgnn.models.message_passing.pinsage import pinsage as pinsage
from tgnn.models.message_passing.transformer_conv import init_transformer_conv as init_transformer_conv
from tgnn.models.message_passing.transformer_conv import transformer_conv as transformer_conv
from tgnn.models.recurrent.seq2seq import init_seq2seq as init_seq2seq
from tgnn.models.recurrent.seq2seq import init_seq2seq_state as init_seq2seq_state
from tgnn.models.recurrent.seq2seq import seq2seq as seq2seq
from tgnn.models.recurrent.tree_lstm import init_tree_lstm as init_tree_lstm
from tgnn.models.recurrent.tree_lstm import tree_lstm as tree_lstm
from tgnn.models.relational.hgt import hgt as hgt
from tgnn.models.relational.hgt import init_hgt as init_hgt
from tgnn.models.relational.rgat import init_rgat as init_rgat
from tgnn.models.relational.rgat import rgat as rgat
from tgnn.models.relational.rgcn import init_rgcn as init_rgcn
from tgnn.models.relational.rgcn import rgcn as rgcn
from tgnn.models.sequences.adaptive_span import adaptive_span as adaptive_span
from tgnn.models.sequences.adaptive_span import init_adaptive_span as init_adaptive_span
from tgnn.models.sequences.all_attention import all_attention as all_attention
from tgnn.models.sequences.all_attention import init_all_attention as init_all_attention
from tgnn.models.sequences.bp_transformer import bp_transformer as bp_transformer
from tgnn.models.sequences.bp_transformer import init_bp_transformer as init_bp_transformer
from tgnn.models.sequences.compressive_transformer import compressive_transformer as compressive_transformer
from tgnn.models.sequences.compressive_transformer import init_compressive_transformer as init_compressive_transformer
from tgnn.models.sequences.compressive_transformer import (
    init_compressive_transformer_state as init_compressive_transformer_state,
)
from tgnn.models.sequences.conv_s2s import conv_s2s as conv_s2s
from tgnn.models.sequences.conv_s2s import init_conv_s2s as init_conv_s2s
from tgnn.models.sequences.light_conv import init_light_conv as init_light_conv
from tgnn.models.sequences.light_conv import light_conv as light_conv
from tgnn.models.sequences.memory_network import init_memory_network as init_memory_network
from tgnn.models.sequences.memory_network import memory_network as memory_network
from tgnn.models.sequences.performer import init_performer as init_performer
from tgnn.models.sequences.performer import performer as performer
from tgnn.models.sequences.reformer import init_reformer as init_reformer
from tgnn.models.sequences.reformer import reformer as reformer
from tgnn.models.sequences.sparse_transformer import init_sparse_transformer as init_sparse_transformer
from tgnn.models.sequences.sparse_transformer import sparse_transformer as sparse_transformer
from tgnn.models.sequences.transformer_xl import init_transformer_xl as init_transformer_xl
from tgnn.models.sequences.transformer_xl import init_transformer_xl_state as init_transformer_xl_state
from tgnn.models.sequences.transformer_xl import transformer_xl as transformer_xl
from tgnn.models.sequences.universal_transformer import init_universal_transformer as init_universal_transformer
from tgnn.models.sequences.universal_transformer import universal_transformer as universal_transformer
