"""Sparse rows as four plain parts: what a bag of words is."""

from typing import NamedTuple

import numpy as np

from tgnn.datasets.checks import as_float32, as_int32, check_range


class SparseRows(NamedTuple):
    """A matrix in compressed sparse row form; `scipy.sparse.csr_matrix((values, indices, indptr), shape)` takes it.

    Attributes:
        indptr: int32 [n_row + 1]; row i holds entries indptr[i] to indptr[i + 1].
        indices: int32 [n_entry], the column of each entry, ascending within a row.
        values: float32 [n_entry].
        shape: (n_row, n_column).

    It is a tuple of four, to be passed on as such: `SparseFeatures.from_rows(*rows)`; the number of rows is shape[0].
    """

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]


def check_rows(name: str, rows: SparseRows) -> SparseRows:
    """`rows` with int32 and float32 parts, if these fit together.

    Raises:
        ValueError: they do not, or a value is not finite.
    """
    n_row, n_column = rows.shape
    indptr, indices = as_int32(name, "indptr", rows.indptr), as_int32(name, "indices", rows.indices)
    values = as_float32(name, "values", rows.values)
    sizes_fit = (
        indptr.shape == (n_row + 1,)
        and len(indptr)
        and indices.shape == values.shape == (indptr[-1],)
        and indptr[0] == 0
    )
    if not (sizes_fit and (np.diff(indptr) >= 0).all()):
        raise ValueError(
            f"{name} is not a sparse matrix of shape {rows.shape}: its parts do not fit; get the file again"
        )
    check_range(name, "indices", indices, 0, n_column)
    return SparseRows(indptr, indices, values, (n_row, n_column))


def normalize_rows(rows: SparseRows) -> SparseRows:
    """Every row divided by its sum; a row whose sum is 0 stays as it is. What PyG calls `NormalizeFeatures`.

    >>> normalize_rows(SparseRows([0, 2, 2], [0, 2], np.array([1.0, 3.0]), (2, 3))).values.tolist()
    [0.25, 0.75]
    """
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    total = np.bincount(row, rows.values, minlength=rows.shape[0])[row]
    return rows._replace(values=(rows.values / np.where(total == 0, 1, total)).astype(np.float32))


def stack_rows(top: SparseRows, bottom: SparseRows) -> SparseRows:
    """The rows of `top` above those of `bottom`; parts of any integer type."""
    first, second = (np.asarray(rows.indptr).astype(np.int64) for rows in (top, bottom))
    indptr = np.concatenate([first, second[1:] + first[-1]]).astype(np.int32)
    shape = (top.shape[0] + bottom.shape[0], max(top.shape[1], bottom.shape[1]))
    return SparseRows(
        indptr, np.concatenate([top.indices, bottom.indices]), np.concatenate([top.values, bottom.values]), shape
    )


def take_rows(rows: SparseRows, index: np.ndarray) -> SparseRows:
    """Row `index[i]` as row i, an empty one where index[i] is -1; columns sorted within each row.

    Raises:
        ValueError: the index names no row.
    """
    check_range("take_rows", "index", index, -1, rows.shape[0], "pass numbers of rows, or -1")
    index, starts = np.asarray(index).astype(np.int64), np.asarray(rows.indptr).astype(np.int64)
    lengths = np.where(index < 0, 0, np.diff(starts)[index])
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    row = np.repeat(np.arange(len(index)), lengths)
    entry = np.arange(indptr[-1]) - indptr[row] + starts[index[row]]
    order = np.lexsort((rows.indices[entry], row))
    return SparseRows(indptr, rows.indices[entry][order], rows.values[entry][order], (len(index), rows.shape[1]))
