"""Scores of predictions that are no mean of a loss: of links and of rankings. Functions on arrays, also under jit."""

from tgnn.metrics.binary import average_precision as average_precision
from tgnn.metrics.binary import roc_auc as roc_auc
from tgnn.metrics.ranking import hits_at_k as hits_at_k
from tgnn.metrics.ranking import mean_reciprocal_rank as mean_reciprocal_rank
from tgnn.metrics.ranking import ndcg_at_k as ndcg_at_k
from tgnn.metrics.ranking import ndcg_of_hits as ndcg_of_hits
from tgnn.metrics.ranking import recall_at_k as recall_at_k
from tgnn.metrics.ranking import recall_of_hits as recall_of_hits
from tgnn.metrics.ranking import top_k as top_k
