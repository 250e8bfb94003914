"""Pickles that ask for more than they hold are refused at once, whichever way they ask."""

import pickle
import struct
import time

import numpy as np
import pytest

from tgnn.datasets.files import unpickler
from tgnn.datasets.files.pickles import read_pickle


def doubled(levels, close=b"\x86", inner=b"]"):
    """A pickle of a few bytes a level that names what it has made so far twice, again and again."""
    memo = b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + close for i in range(levels))
    return b"\x80\x02" + inner + memo


def refused(data, message, **options):
    started = time.perf_counter()
    with pytest.raises(ValueError, match=message):
        read_pickle("file", data, **options)
    assert time.perf_counter() - started < 2


def test_what_doubles_itself_is_refused():
    data = doubled(50) + b"."
    assert len(data) < 260
    refused(data, "file is not a plain data pickle: it asks for more than 16777216 items")
    assert read_pickle("file", doubled(3) + b".") == ((([], []), ([], [])), (([], []), ([], [])))


def test_what_doubles_itself_as_a_key_is_refused_before_it_is_hashed():
    refused(b"\x80\x02}" + doubled(50, inner=b"K\x01")[2:] + b"K\x01s.", "a key of type tuple")
    refused(b"\x80\x02(" + doubled(50, inner=b"K\x01")[2:] + b"K\x01d.", "a key of type tuple")


def test_lists_and_dicts_that_share_without_end_are_refused():
    """A thousand names for one list of a thousand: few bytes, and 10 ** 6 items; three levels are 10 ** 9."""
    level = b"q%c(" + 1000 * b"h%c" + b"l"
    data = b"\x80\x02]" + b"".join(level % (i, *[i] * 1000) for i in range(4)) + b"."
    refused(data, "more than 16777216 items")


def test_what_holds_itself_is_refused():
    refused(b"\x80\x02]q\x00h\x00a.", "a list that holds itself")


def test_a_memo_of_any_number_costs_nothing():
    assert read_pickle("file", b"\x80\x02K\x07r\xff\xff\xff\x7f0j\xff\xff\xff\x7f.") == 7


def test_copies_are_counted():
    text = b"X" + struct.pack("<I", 1000) + b"a" * 1000 + b"q\x00X\x06\x00\x00\x00latin1\x86q\x01"
    call = b"c_codecs\nencode\nq\x02"
    copies = b"h\x02h\x01R" * 2000
    refused(b"\x80\x02" + text + b"0" + call + b"0(" + copies + b"l.", "more memory", max_bytes=10**6)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".", "an opcode that plain data have no use for"),
        (b"\x80\x02\x82\x01.", "an opcode"),  # copyreg's registry of extensions
        (b"\x80\x04\x8f.", "an opcode"),  # a set, which hashes what it holds
        (b"(cnumpy\ndtype\no.", "an opcode"),
        (b"\x80\x02cnumpy\ndtype\n}X\x01\x00\x00\x00aK\x01sb.", "a state for function"),
        (b"\x80\x02K\x01)R.", "a call of int"),
        (b"\x80\x02cbuiltins\nlist\n.", "a bare list_type"),
        (b"\x80\x02cbuiltins\nlist\n](K\x01K\x02e\x85R.", "a call of list"),
        (b"\x80\x02cnumpy\ndtype\nX\x0a\x00\x00\x00(99999,)i8\x85R.", "dtype"),
    ],
)
def test_opcodes_without_use_for_data_are_refused(data, message):
    refused(data, message)


def test_a_refused_pickle_leaves_no_trace():
    before = {name: value for name, value in vars(unpickler.Stateful).items()}
    refused(b"\x80\x02cscipy.sparse.csr\ncsr_matrix\nN}X\x01\x00\x00\x00aK\x01s\x86b.", "a state for function")
    assert vars(unpickler.Stateful) == before


def test_an_array_that_is_met_often_counts_by_its_size():
    array = np.zeros(1 << 16)
    data = pickle.dumps([array] * 3, 2)
    assert len(read_pickle("file", data)) == 3
    refused(pickle.dumps([array] * 3000, 2), "more than 16777216 items")
