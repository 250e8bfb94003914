"""Learning rates; they live in `tgnn.train.schedules`."""

from tgnn.train.schedules import compressive as compressive
from tgnn.train.schedules import inverse_square_root as inverse_square_root
from tgnn.train.schedules import make_schedule as make_schedule
from tgnn.train.schedules import noam as noam
from tgnn.train.schedules import one_cycle as one_cycle
from tgnn.train.schedules import warmup_cosine as warmup_cosine
from tgnn.train.schedules import warmup_stable_decay as warmup_stable_decay
