"""Named architectures, one per file: each is a choice of graph, score and reduction."""

from tgnn.models.gat import gat as gat
from tgnn.models.gat import init_gat as init_gat
from tgnn.models.gatv2 import gatv2 as gatv2
from tgnn.models.gatv2 import init_gatv2 as init_gatv2
from tgnn.models.gcn import gcn as gcn
from tgnn.models.gcn import init_gcn as init_gcn
from tgnn.models.transformer_conv import init_transformer_conv as init_transformer_conv
from tgnn.models.transformer_conv import transformer_conv as transformer_conv
