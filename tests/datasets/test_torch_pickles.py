"""Files of torch.save that torch did not write: what their bytes do not bear out is refused, the oldest are read."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from tgnn.datasets.files import torch_pickles


def test_what_is_no_such_file_is_a_clear_error(tmp_path):
    path = tmp_path / "x.pt"
    for content in (b"", b"nothing", pickle.dumps({"w": 1}), pickle.dumps(7)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="x.pt is .*get it again"):
            torch_pickles.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other/file", b"")
    with pytest.raises(ValueError, match="holds no data.pkl"):
        torch_pickles.load(path)
    with pytest.raises(FileNotFoundError, match="y.pt is not a file"):
        torch_pickles.load(tmp_path / "y.pt")
    with pytest.raises(ValueError, match="expected a path on this machine"):
        torch_pickles.load("s3://bucket/x.pt")


def write_tensor(
    path, numbers=b"\0" * 16, size=4, offset=0, shape=(4,), stride=(1,), kind="FloatStorage", packed=False
):
    """A zip file with one tensor, whatever its parts claim."""

    def ints(values):
        return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"

    pid = b"(X\x07\x00\x00\x00storagectorch\n" + kind.encode() + b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
    pid += b"J" + struct.pack("<i", size) + b"tQ"
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + pid + b"J" + struct.pack("<i", offset)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + call + ints(shape) + ints(stride) + b"\x89NtR.")
        archive.writestr("a/data/0", numbers)
    return path


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"shape": (5,)}, "a tensor that ends at 4 of a storage of 4"),
        ({"offset": 1}, "a tensor that ends at 4"),
        ({"offset": -1}, "a size of -1"),
        ({"shape": (2,), "stride": (4,)}, "a tensor that ends at 4"),
        ({"shape": (2,), "stride": (-1,)}, "a size of -1"),
        ({"shape": (-2,)}, "a size of -2"),
        ({"stride": (1, 1)}, "other strides than axes"),
        ({"size": 5}, "storage 0 has 16 bytes, expected 5 numbers"),
        ({"kind": "QInt8Storage"}, "it asks for torch.QInt8Storage"),
        ({"shape": (1 << 30, 1 << 30), "stride": (0, 0)}, "more memory than any file here takes"),
        ({"numbers": bytes(10_000), "size": 2500, "packed": True}, "more memory than any file here takes"),
    ],
)
def test_claims_that_the_bytes_do_not_bear_out_are_refused(tmp_path, claims, message):
    assert torch_pickles.load(write_tensor(tmp_path / "right.pt")).tolist() == [0, 0, 0, 0]
    path = write_tensor(tmp_path / "x.pt", **claims)
    with pytest.raises(ValueError, match=message):
        torch_pickles.load(path, max_bytes=5000)


def test_files_of_the_other_byte_order_are_read(tmp_path):
    path = write_tensor(tmp_path / "x.pt", np.arange(4, dtype=">f4").tobytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("a/byteorder", b"big")
    assert torch_pickles.load(path).tolist() == [0, 1, 2, 3]
    path = write_tensor(tmp_path / "y.pt", np.arange(4, dtype=">u2").tobytes(), kind="BFloat16Storage")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("a/byteorder", b"big")
    assert torch_pickles.load(path).view(np.uint16).tolist() == [0, 1, 2, 3]


def test_views_of_storages_in_the_oldest_files_are_read(tmp_path):
    """Before torch 0.4 a tensor's persistent id could name a part of another storage."""
    file = io.BytesIO()
    for value in (torch_pickles._MAGIC, torch_pickles._VERSION, {"little_endian": True}):
        pickle.dump(value, file, 2)
    pid = b"(X\x07\x00\x00\x00storagectorch\nLongStorage\nX\x01\x00\x00\x00kX\x03\x00\x00\x00cpuK\x05"
    pid += b"(X\x01\x00\x00\x00vK\x02K\x03ttQ"
    file.write(b"\x80\x02ctorch._utils\n_rebuild_tensor\n(" + pid + b"K\x01(K\x02t(K\x01ttR.")
    pickle.dump(["k"], file, 2)
    file.write(struct.pack("<q", 5) + np.arange(5).tobytes())
    (tmp_path / "x.pt").write_bytes(file.getvalue())
    assert torch_pickles.load(tmp_path / "x.pt").tolist() == [3, 4]
