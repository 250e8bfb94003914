"""Links to be predicted: pairs that are no edges, parts of the edges, decoders, and whole catalogues in their order."""

from tgnn.links.catalogue import rank_unseen as rank_unseen
from tgnn.links.decoders import dot_product_decoder as dot_product_decoder
from tgnn.links.decoders import init_perceptron_decoder as init_perceptron_decoder
from tgnn.links.decoders import perceptron_decoder as perceptron_decoder
from tgnn.links.negatives import NonEdges as NonEdges
from tgnn.links.negatives import sample_pairs as sample_pairs
from tgnn.links.negatives import sample_senders as sample_senders
from tgnn.links.splits import LinkSplit as LinkSplit
from tgnn.links.splits import Pairs as Pairs
from tgnn.links.splits import split_edges as split_edges
