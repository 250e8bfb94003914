"""Positions; they live in `tgnn.nn.positions`, those of grids in `tgnn.nn.grids`."""

from tgnn.nn.grids import QuadraticBias as QuadraticBias
from tgnn.nn.positions import Alibi as Alibi
from tgnn.nn.positions import BucketBias as BucketBias
from tgnn.nn.positions import init_bucket_table as init_bucket_table
from tgnn.nn.positions import init_learned_positions as init_learned_positions
from tgnn.nn.positions import learned_positions as learned_positions
from tgnn.nn.positions import relative_bucket as relative_bucket
from tgnn.nn.positions import rotary as rotary
from tgnn.nn.positions import segment_positions as segment_positions
from tgnn.nn.positions import sinusoidal as sinusoidal
