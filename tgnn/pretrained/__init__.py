"""Networks that others trained, as graphs: loaded without torch, run by this library's blocks on any edges.

`params, model = load(folder)`, then `model(params, token_ids)`; `attention` reads a layer's weights.
"""

from tgnn.pretrained.encoder_decoder import EncoderDecoder as EncoderDecoder
from tgnn.pretrained.encoder_decoder import Translation as Translation
from tgnn.pretrained.encoder_decoder import translate as translate
from tgnn.pretrained.files import installed as installed
from tgnn.pretrained.generation import generate as generate
from tgnn.pretrained.loading import load as load
from tgnn.pretrained.model import Model as Model
from tgnn.pretrained.model import Output as Output
from tgnn.pretrained.proteinmpnn import Design as Design
from tgnn.pretrained.proteinmpnn import ProteinMPNN as ProteinMPNN
from tgnn.pretrained.reading import attention as attention
from tgnn.pretrained.reading import attention_at as attention_at
from tgnn.pretrained.sentences import embed as embed
from tgnn.pretrained.sentences import load_tokenizer as load_tokenizer
from tgnn.pretrained.sentences import tokenize as tokenize
