"""Cached decoding; it lives in `tgnn.nn.decoding`."""

from tgnn.nn.decoding import Cache as Cache
from tgnn.nn.decoding import Step as Step
from tgnn.nn.decoding import decode_step as decode_step
from tgnn.nn.decoding import init_cache as init_cache
from tgnn.nn.decoding import prefill as prefill
from tgnn.nn.search import beam_search as beam_search
from tgnn.nn.search import greedy as greedy
from tgnn.nn.search import sample as sample
