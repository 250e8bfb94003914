"""Which form is fastest: chosen by measured times, reported in words."""

from tgnn.planning.batching import Batch as Batch
from tgnn.planning.batching import batch as batch
from tgnn.planning.choose import plan as plan
from tgnn.planning.cost import Cost as Cost
from tgnn.planning.report import explain as explain
