"""Sparse rows as four plain parts: what a bag of words is."""

from typing import NamedTuple

import numpy as np


class SparseRows(NamedTuple):
    """A matrix in compressed sparse row form; `scipy.sparse.csr_matrix((values, indices, indptr), shape)` takes it.

    Attributes:
        indptr: int32 [n_row + 1]; row i holds entries indptr[i] to indptr[i + 1].
        indices: int32 [n_entry], the column of each entry, ascending within a row.
        values: float32 [n_entry].
        shape: (n_row, n_column).
    """

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]


def check_rows(name: str, rows: SparseRows) -> SparseRows:
    """`rows` if its parts fit together.

    Raises:
        ValueError: they do not.
    """
    indptr, indices, values, (n_row, n_column) = rows
    sizes_fit = indptr.shape == (n_row + 1,) and indices.shape == values.shape == (indptr[-1],) and indptr[0] == 0
    if not (sizes_fit and (np.diff(indptr) >= 0).all()):
        raise ValueError(
            f"{name} is not a sparse matrix of shape {rows.shape}: its parts do not fit; get the file again"
        )
    if len(indices) and (indices.min() < 0 or indices.max() >= n_column):
        raise ValueError(f"{name} has an entry outside its {n_column} columns; get the file again")
    return rows


def stack_rows(top: SparseRows, bottom: SparseRows) -> SparseRows:
    """The rows of `top` above those of `bottom`."""
    indptr = np.concatenate([top.indptr, bottom.indptr[1:] + top.indptr[-1]])
    shape = (top.shape[0] + bottom.shape[0], max(top.shape[1], bottom.shape[1]))
    return SparseRows(
        indptr, np.concatenate([top.indices, bottom.indices]), np.concatenate([top.values, bottom.values]), shape
    )


def take_rows(rows: SparseRows, index: np.ndarray) -> SparseRows:
    """Row `index[i]` as row i, an empty one where index[i] is -1; columns sorted within each row."""
    lengths = np.where(index < 0, 0, np.diff(rows.indptr)[index])
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    row = np.repeat(np.arange(len(index)), lengths)
    entry = np.arange(indptr[-1]) - indptr[row] + rows.indptr[index[row]]
    order = np.lexsort((rows.indices[entry], row))
    return SparseRows(indptr, rows.indices[entry][order], rows.values[entry][order], (len(index), rows.shape[1]))
