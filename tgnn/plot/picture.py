"""Figures and axes that a notebook shows by themselves, since pyplot does not know of them. Imports matplotlib."""

import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure


class Picture(Figure):
    """A figure that is shown as the last line of a cell, also where nobody has set up matplotlib for the notebook."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


class PictureAxes(Axes):
    """The only axes of a `Picture`, shown likewise."""

    def _repr_png_(self) -> bytes:
        figure: Any = self.figure
        return figure._repr_png_()


def new_axes() -> Any:
    """Axes on a picture of their own."""
    return Picture(layout="constrained").add_subplot(axes_class=PictureAxes)
