"""Recurrence as message passing over levels of a graph without cycles."""

from tgnn.recurrent.cells import gru as gru
from tgnn.recurrent.cells import init_gru as init_gru
from tgnn.recurrent.cells import init_rnn as init_rnn
from tgnn.recurrent.cells import rnn as rnn
from tgnn.recurrent.gates import LSTMState as LSTMState
from tgnn.recurrent.gates import init_gates as init_gates
from tgnn.recurrent.gates import remember as remember
from tgnn.recurrent.gates import run as run
from tgnn.recurrent.gates import zero_state as zero_state
from tgnn.recurrent.levels import Levels as Levels
from tgnn.recurrent.levels import as_levels as as_levels
from tgnn.recurrent.levels import schedule as schedule
from tgnn.recurrent.lstms import init_lstm as init_lstm
from tgnn.recurrent.lstms import init_nary_lstm as init_nary_lstm
from tgnn.recurrent.lstms import lstm as lstm
from tgnn.recurrent.lstms import nary_lstm as nary_lstm
from tgnn.recurrent.propagation import propagate as propagate
