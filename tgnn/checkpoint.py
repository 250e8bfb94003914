"""Checkpoints; they live in `tgnn.train.checkpoint`."""

from tgnn.train.checkpoint import best_step as best_step
from tgnn.train.checkpoint import latest_step as latest_step
from tgnn.train.checkpoint import restore as restore
from tgnn.train.checkpoint import restore_params as restore_params
from tgnn.train.checkpoint import save as save
