"""The Transformer block; it lives in `tgnn.nn.block`, `tgnn.nn.cached_block` and `tgnn.nn.stack`."""

from tgnn.nn.block import TransformerConfig as TransformerConfig
from tgnn.nn.block import block_of as block_of
from tgnn.nn.block import feed_forward as feed_forward
from tgnn.nn.block import init_block as init_block
from tgnn.nn.block import init_norm as init_norm
from tgnn.nn.block import transformer_block as transformer_block
from tgnn.nn.cached_block import cached_block as cached_block
from tgnn.nn.stack import map_blocks as map_blocks
from tgnn.nn.stack import run_blocks as run_blocks
from tgnn.nn.stack import run_parts as run_parts
