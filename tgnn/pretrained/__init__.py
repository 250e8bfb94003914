"""Networks that others trained, as graphs: loaded without torch, run by this library's blocks on any edges.

`params, model = load(folder)`, then `model(params, token_ids)`; `attention` reads a layer's weights. `replace`,
`intersect`, `extend` and `knock_out` edit the edges of layers and heads; `remove_heads` and `gates=` the heads.
"""

from tgnn.pretrained.edge_reading import attention_at as attention_at
from tgnn.pretrained.editing import all_gates as all_gates
from tgnn.pretrained.editing import edge_effects as edge_effects
from tgnn.pretrained.editing import extend as extend
from tgnn.pretrained.editing import intersect as intersect
from tgnn.pretrained.editing import knock_out as knock_out
from tgnn.pretrained.editing import parse_tree as parse_tree
from tgnn.pretrained.editing import remove_heads as remove_heads
from tgnn.pretrained.editing import replace as replace
from tgnn.pretrained.editing import strongest as strongest
from tgnn.pretrained.editing import with_gates as with_gates
from tgnn.pretrained.encoder_decoder import EncoderDecoder as EncoderDecoder
from tgnn.pretrained.encoder_decoder import Translation as Translation
from tgnn.pretrained.encoder_decoder import translate as translate
from tgnn.pretrained.files import installed as installed
from tgnn.pretrained.gat import Gat as Gat
from tgnn.pretrained.generation import generate as generate
from tgnn.pretrained.loading import load as load
from tgnn.pretrained.many_texts import embed_texts as embed_texts
from tgnn.pretrained.model import Model as Model
from tgnn.pretrained.model import Output as Output
from tgnn.pretrained.proteinmpnn import Design as Design
from tgnn.pretrained.proteinmpnn import ProteinMPNN as ProteinMPNN
from tgnn.pretrained.pruning import greedy_order as greedy_order
from tgnn.pretrained.pruning import head_importance as head_importance
from tgnn.pretrained.pruning import heads_of as heads_of
from tgnn.pretrained.pruning import learn_gates as learn_gates
from tgnn.pretrained.pruning import pruning_curve as pruning_curve
from tgnn.pretrained.pruning import removal_order as removal_order
from tgnn.pretrained.reading import attention as attention
from tgnn.pretrained.sentences import embed as embed
from tgnn.pretrained.sentences import load_tokenizer as load_tokenizer
from tgnn.pretrained.sentences import tokenize as tokenize
