"""Archives and pickles are data: nothing leaves its folder, nothing is executed, nothing unpacks without bound."""

import collections
import gzip
import io
import os
import pickle
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest
import scipy.sparse

from tgnn.datasets.files import archives
from tgnn.datasets.files.pickles import CsrParts, read_pickle


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_runs_a_command_is_refused_before_it_does(tmp_path, protocol):
    data = pickle.dumps({0: [1, Evil(tmp_path / "executed")]}, protocol)
    with pytest.raises(
        ValueError, match=r"ind.cora.graph is not a plain data pickle: it asks for \w+.system.*not executed"
    ):
        read_pickle("ind.cora.graph", data)
    assert not (tmp_path / "executed").exists()
    pickle.loads(data)  # the same bytes do harm where nobody looks
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "name", ["builtins eval", "codecs encode", "numpy fromfile", "scipy.sparse csr_array", "os.path join"]
)
def test_only_named_types_are_allowed(name):
    with pytest.raises(ValueError, match="not executed"):
        read_pickle("file", b"c" + name.replace(" ", "\n").encode() + b"\n.")


def test_bytes_are_never_taken_for_objects():
    """A dtype of objects whose state denies it, over bytes: NumPy's own would follow them as addresses, and crash."""
    unknown = b"J\xff\xff\xff\xff"
    dtype = b"cnumpy\ndtype\n(X\x02\x00\x00\x00O8I00\nI01\ntR(K\x03X\x01\x00\x00\x00|NNN" + 2 * unknown + b"K\x00tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    with pytest.raises(ValueError, match="an array of object from a str"):
        read_pickle("file", b"\x80\x02" + empty + b"(K\x01(K\x01t" + dtype + b"I00\nU\x08AAAAAAAAtb.")
    with pytest.raises(ValueError, match="a call of numpy.ndarray"):
        read_pickle("file", b"\x80\x02cnumpy\nndarray\n(J\xff\xff\xff\x7ftR.")
    objects = np.empty(3, object)
    objects[:] = [1, "a", np.arange(2)]
    found = read_pickle("file", pickle.dumps({"x": [objects]}, 2))["x"][0]
    assert found[:2].tolist() == [1, "a"] and found[2].tolist() == [0, 1]
    assert type(found) is type(found[2]) is np.ndarray  # which can be pickled again, unlike what stood for it


def test_only_the_harmless_codec_is_allowed():
    with pytest.raises(ValueError, match="zlib"):
        read_pickle("file", b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x04\x00\x00\x00zlibtR.")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL))
def test_plain_data_pickles_are_read(protocol):
    graph = collections.defaultdict(list, {0: [1, 2], 3: [0]})
    array = np.arange(6.0).reshape(2, 3)
    assert read_pickle("file", pickle.dumps(graph, protocol)) == graph
    np.testing.assert_array_equal(read_pickle("file", pickle.dumps(array, protocol)), array)


@pytest.mark.parametrize("module", ["scipy.sparse._csr", "scipy.sparse.csr"])
def test_sparse_matrices_are_read_under_the_old_and_the_new_name(module):
    matrix = scipy.sparse.csr_matrix(np.array([[0, 2.0], [3, 0]]))
    data = pickle.dumps(matrix, 2).replace(b"scipy.sparse._csr", module.encode())
    parts = read_pickle("file", data)
    assert isinstance(parts, CsrParts)
    np.testing.assert_array_equal(parts.data, [2, 3])
    np.testing.assert_array_equal(parts.indices, [1, 0])


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x02", pickle.dumps(np.arange(9))[:-7], b"\x80\x02}q\x01."[:-1], b"nonsense"]
)
def test_a_damaged_pickle_is_a_clear_error(data):
    with pytest.raises(ValueError, match="file is a damaged pickle.*get it again"):
        read_pickle("file", data)


def test_gzip_is_read_truncation_and_bombs_are_refused(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress("naïve".encode()))
    assert archives.read_text(path) == "naïve"
    path.write_bytes(gzip.compress(b"abc" * 1000)[:-9])
    with pytest.raises(ValueError, match="a.txt.gz is truncated or not a gzip"):
        archives.read_gzip(path)
    path.write_bytes(b"plain")
    with pytest.raises(ValueError, match="not a gzip"):
        archives.read_gzip(path)
    path.write_bytes(gzip.compress(bytes(10_000)))
    with pytest.raises(ValueError, match="more than 999 bytes"):
        archives.read_gzip(path, max_bytes=999)
    path.write_bytes(gzip.compress(b"\xff\xfe"))
    with pytest.raises(ValueError, match="not UTF-8"):
        archives.read_text(path)


def test_no_more_than_the_cap_is_unpacked(tmp_path):
    """8 MiB in 8 kB."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(1 << 23), compresslevel=1))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="more than 99999 bytes"):
            archives.read_gzip(path, max_bytes=99_999)
        assert tracemalloc.get_traced_memory()[1] < 1 << 21
    finally:
        tracemalloc.stop()


def write_tar(path, member, content=b"x", kind=tarfile.REGTYPE):
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(member)
        info.type, info.size, info.linkname = kind, len(content) if kind == tarfile.REGTYPE else 0, "/etc/passwd"
        archive.addfile(info, io.BytesIO(content))
    return path


def test_tar_members_are_read_in_memory(tmp_path):
    path = write_tar(tmp_path / "a.tar.gz", "folder/b.txt", b"1 2")
    assert archives.read_tar(path) == {"folder/b.txt": b"1 2"}
    assert os.listdir(tmp_path) == ["a.tar.gz"]


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ("../escape.txt", tarfile.REGTYPE),
        ("a/../../escape.txt", tarfile.REGTYPE),
        ("/tmp/escape.txt", tarfile.REGTYPE),
        ("link", tarfile.SYMTYPE),
        ("link", tarfile.LNKTYPE),
        ("device", tarfile.CHRTYPE),
    ],
)
def test_tar_members_that_leave_their_folder_are_refused(tmp_path, member, kind):
    path = write_tar(tmp_path / "a.tar.gz", member, kind=kind)
    with pytest.raises(ValueError, match=r"a.tar.gz has the member .*leaves the archive's folder"):
        archives.read_tar(path)
    assert os.listdir(tmp_path) == ["a.tar.gz"]


def test_damaged_tars_are_clear_errors(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(b"no tar at all" * 100))
    with pytest.raises(ValueError, match="truncated or not a tar"):
        archives.read_tar(path)


def test_npz_never_unpickles_and_names_what_is_missing(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(3), evil=np.array([Evil(tmp_path / "executed")], object))
    np.testing.assert_array_equal(archives.read_npz(path, ["x"])["x"], [0, 1, 2])
    with pytest.raises(ValueError, match="a.npz is damaged or holds pickles .*allow_pickle=False"):
        archives.read_npz(path, ["evil"])
    assert not (tmp_path / "executed").exists()
    with pytest.raises(ValueError, match=r"no array \['y'\]"):
        archives.read_npz(path, ["y"])
    with pytest.raises(ValueError, match="more than 100 bytes"):
        archives.read_npz(path, ["x"], max_bytes=100)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match="truncated or not an npz"):
        archives.read_npz(path, ["x"])


def test_a_changed_npz_is_always_the_same_kind_of_error(tmp_path):
    """Each byte of its headers in turn: an unknown compression, an encryption, a version, impossible lengths."""
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.arange(3))
    data = path.read_bytes()
    for place in [*range(60), *range(len(data) - 90, len(data))]:
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x5B]) + data[place + 1 :])
        for read in (archives.read_npz, lambda path: archives.read_zip(path, "x.npy")):
            try:
                read(path)
            except ValueError as error:
                assert "a.npz" in str(error)


def test_zip_members_are_read_under_a_cap(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(10_000))
    assert archives.read_zip(path, "zeros") == bytes(10_000)
    with pytest.raises(ValueError, match="more than 999 bytes"):
        archives.read_zip(path, "zeros", max_bytes=999)
    with pytest.raises(ValueError, match="no member 'ones'"):
        archives.read_zip(path, "ones")
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="truncated or not a zip"):
        archives.read_zip(path, "zeros")


def test_tar_members_with_holes_are_refused(tmp_path):
    """1.5 GiB in 1.5 kB: a member whose map says that nearly all of it is zeros."""
    header = tarfile.TarInfo("holes")
    header.type, header.size = tarfile.REGTYPE, 512
    header.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "holes",
        "GNU.sparse.realsize": str(3 << 29),
    }
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(header, io.BytesIO(f"1\n{3 << 29}\n0\n".encode().ljust(512, b"\0")))
    with pytest.raises(ValueError, match="a.tar has the member 'holes', which is a link, has holes"):
        archives.read_tar(path)


def test_sizes_are_asked_before_reading(tmp_path):
    for name in ("a.txt", "a.txt.gz", "a.tar", "a.zip", "a.npz"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(3 << 30)
    reads = {"a.txt": archives.read_text, "a.txt.gz": archives.read_text, "a.tar": archives.read_tar}
    for name, read in (reads | {"a.npz": archives.read_npz}).items():
        with pytest.raises(ValueError, match=f"{name} unpacks to more than 268435456 bytes"):
            read(tmp_path / name)
    with pytest.raises(ValueError, match="a.zip unpacks to more than"):
        archives.read_zip(tmp_path / "a.zip", "x")


def test_arrays_of_nothing_but_a_length_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", names=np.empty(1, "V0"))
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        header = archive.read("names.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("names.npy", header.replace(b"(1,), }" + b" " * 12, b"(1099511627776,), }"))
    with pytest.raises(ValueError, match="a.npz unpacks to more than"):
        archives.read_npz(tmp_path / "a.npz")
