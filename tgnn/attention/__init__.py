"""Score, normalise, sum: the definition, its public face, and its faster executions."""

from tgnn.attention.api import attend as attend
from tgnn.attention.api import attention_weights as attention_weights
from tgnn.attention.merging import merge as merge
from tgnn.attention.products import aggregate_products as aggregate_products
