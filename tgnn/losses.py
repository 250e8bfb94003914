"""Losses and accuracies; they live in `tgnn.train.losses`."""

from tgnn.train.losses import accuracy as accuracy
from tgnn.train.losses import binary_cross_entropy as binary_cross_entropy
from tgnn.train.losses import bpr_loss as bpr_loss
from tgnn.train.losses import cross_entropy as cross_entropy
from tgnn.train.losses import masked_mean as masked_mean
from tgnn.train.losses import mean_absolute_error as mean_absolute_error
from tgnn.train.losses import mean_squared_error as mean_squared_error
