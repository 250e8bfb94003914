"""`python -m tgnn.models` prints the table of models; with the name of a file it writes the table into it."""

import sys
from pathlib import Path

from tgnn.models.cards import table, written

if len(sys.argv) == 1:
    print(table())
else:
    file: Path = Path(sys.argv[1])
    file.write_text(written(file.read_text()))
