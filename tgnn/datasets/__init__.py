"""Loaders of the data that the experiments use: NumPy arrays out, nothing executed on the way in.

One data set a file, each with a `load`; `download` says where files are looked for. NumPy is the only import, and
`cmudict` (by its loader, when called). What a loader cannot download it names, with the place to put it.
"""

from tgnn.datasets import byte_windows as byte_windows
from tgnn.datasets import cmudict as cmudict
from tgnn.datasets import esol as esol
from tgnn.datasets import gat_cora as gat_cora
from tgnn.datasets import gestures as gestures
from tgnn.datasets import glove as glove
from tgnn.datasets import gowalla as gowalla
from tgnn.datasets import heterophilous as heterophilous
from tgnn.datasets import lastfm as lastfm
from tgnn.datasets import listops as listops
from tgnn.datasets import loading as loading
from tgnn.datasets import multi30k as multi30k
from tgnn.datasets import omniglot as omniglot
from tgnn.datasets import omniglot_strokes as omniglot_strokes
from tgnn.datasets import planetoid as planetoid
from tgnn.datasets import quickdraw as quickdraw
from tgnn.datasets import shakespeare as shakespeare
from tgnn.datasets import sick as sick
from tgnn.datasets import smiles as smiles
from tgnn.datasets import sst as sst
from tgnn.datasets import text as text
from tgnn.datasets import tu as tu
from tgnn.datasets import ud_ewt as ud_ewt
from tgnn.datasets import zinc as zinc
from tgnn.datasets import zinc250k as zinc250k
