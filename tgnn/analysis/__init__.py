"""What attention says of a graph: the weights of any model, messages followed through all layers, trees, words.

Everything takes layouts and the weights of their edges, whoever computed them: a Transformer or a GAT.
"""

from tgnn.analysis.flows import flow as flow
from tgnn.analysis.reading import Attention as Attention
from tgnn.analysis.reading import attention_of as attention_of
from tgnn.analysis.rollouts import rollout as rollout
from tgnn.analysis.trees import arborescence as arborescence
from tgnn.analysis.trees import spanning_tree as spanning_tree
from tgnn.analysis.trees import tree_overlap as tree_overlap
from tgnn.analysis.words import word_weights as word_weights
