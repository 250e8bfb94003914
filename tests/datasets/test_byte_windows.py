"""Windows of a file that is larger than what is read of it."""

import resource
import sys

import numpy as np
import pytest

from tgnn.datasets import byte_windows


def test_windows_are_parts_of_the_text_and_a_function_of_seed_and_step(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(bytes(range(256)) * 3)
    text = byte_windows.open_bytes(path)
    first = byte_windows.windows_at(text, 5, 7, 11, seed=3)
    assert first.dtype == np.int32 and first.shape == (7, 11)
    assert all(bytes(row.astype(np.uint8)) in path.read_bytes() for row in first)
    np.testing.assert_array_equal(first, byte_windows.windows_at(text, 5, 7, 11, seed=3))
    assert (first != byte_windows.windows_at(text, 6, 7, 11, seed=3)).any()
    whole = byte_windows.windows_at(text, 0, 2, len(text), seed=0)
    np.testing.assert_array_equal(whole, np.stack([text, text]))


@pytest.mark.skipif(sys.platform != "linux", reason="counts pages as Linux does")
def test_a_file_of_many_gigabytes_costs_the_windows_only(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(2**36)  # 64 GiB of nothing, none of it on the disk
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for step in range(20):
        windows = byte_windows.windows_at(byte_windows.open_bytes(path), step, 8, 129, seed=0)
    assert not windows.any()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**15  # KiB


def test_bad_input(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a file"):
        byte_windows.open_bytes(tmp_path / "missing")
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="which is empty"):
        byte_windows.open_bytes(tmp_path / "empty")
    with pytest.raises(ValueError, match="text has 3 bytes, but a window 4"):
        byte_windows.windows_at(np.zeros(3, np.uint8), 0, 1, 4, seed=0)
