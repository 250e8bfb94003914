"""The training step and its loop; they live in `tgnn.train`."""

from tgnn.train.batches import batch_indices as batch_indices
from tgnn.train.loop import fit as fit
from tgnn.train.metrics_log import MetricsLog as MetricsLog
from tgnn.train.metrics_log import read_metrics as read_metrics
from tgnn.train.optimizer import evaluated as evaluated
from tgnn.train.optimizer import make_optimizer as make_optimizer
from tgnn.train.optimizer import schedule_free as schedule_free
from tgnn.train.prefetching import prefetch as prefetch
from tgnn.train.step import CarryingLossFn as CarryingLossFn
from tgnn.train.step import LossFn as LossFn
from tgnn.train.step import Metrics as Metrics
from tgnn.train.step import TrainState as TrainState
from tgnn.train.step import init_state as init_state
from tgnn.train.step import make_carrying_step as make_carrying_step
from tgnn.train.step import make_step as make_step
