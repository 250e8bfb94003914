"""Multi30k's pairs, the trees of UD EWT, and the vectors of GloVe."""

import gzip
import hashlib
import zipfile

import pytest

from tgnn.datasets import glove, multi30k, ud_ewt
from tgnn.datasets.files.checksums import SHA256


def test_multi30k_counts(data_dir):
    root = data_dir("multi30k").parent
    for split, n in (("train", 29_000), ("validation", 1_014), ("test", 1_000)):
        assert len(multi30k.load(split, data_dir=root)) == n
    pair = multi30k.load("validation", tokenised=False, data_dir=root)[1]
    assert pair.english == "A man sleeping in a green room on a couch."
    assert pair.german == "Ein Mann schläft in einem grünen Raum auf einem Sofa."
    assert multi30k.load("validation", data_dir=root)[1].english == "a man sleeping in a green room on a couch ."


def test_multi30k_is_read_as_published_and_only_in_pairs(tmp_path, monkeypatch, offline):
    (tmp_path / "multi30k").mkdir()
    for language, text in (("en", "a\u2028b\r\nc\n"), ("de", "x\n")):
        data = text.encode()
        (tmp_path / "multi30k" / f"val.lc.norm.tok.{language}").write_bytes(data)
        monkeypatch.setitem(SHA256, f"multi30k/val.lc.norm.tok.{language}", hashlib.sha256(data).hexdigest())
    with pytest.raises(ValueError, match="1 german but 2 english.*get both again"):
        multi30k.load("validation", data_dir=tmp_path)


def test_ud_ewt_counts(data_dir):
    sentences = ud_ewt.load("validation", data_dir("ud_ewt").parent)
    assert len(sentences) == 2001 and sum(len(sentence.words) for sentence in sentences) == 25_147
    first = sentences[0]
    assert first.words[3] == "comes" and first.heads.tolist() == [2, 2, 3, -1, 5, 3, 3]
    assert first.relations[5] == "nsubj" and first.tags[2] == "PROPN"


def conllu(*heads):
    return "".join(f"{i}\tw{i}\t_\tX\t_\t_\t{head}\tdep\t_\t_\n" for i, head in enumerate(heads, start=1))


def test_conllu_with_blank_lines_carriage_returns_and_what_is_no_word_is_read(tmp_path):
    text = "\ufeff# text\n1-2\tw1w2" + 8 * "\t_" + "\n" + conllu(0, 1) + "1.1\tx" + 8 * "\t_" + "\n\n\n \n" + conllu(0)
    text = text.replace("w1\t", "w\u20281\t").replace("\n", "\r\n")
    (tmp_path / "ud_ewt").mkdir()
    (tmp_path / "ud_ewt" / "en_ewt-ud-test.conllu.gz").write_bytes(gzip.compress(text.encode()))
    first, second = ud_ewt.load("test", tmp_path)
    assert first.words == ("w\u20281", "w2") and first.heads.tolist() == [-1, 0] and second.heads.tolist() == [-1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (conllu(0, 0), "is no tree: 2 roots"),
        (conllu(2, 1), "is no tree: 0 roots"),
        (conllu(0, 3, 2), "or words that depend on themselves"),
        (conllu(0, 3), r"heads\[1\] = 2, outside \[-1, 2\)"),
        (conllu(0, -1), r"heads\[1\] = -2"),
        (conllu(0, 1).replace("2\t", "3\t"), "words numbered"),
        (conllu("x"), "line 1: 'x' is not an integer"),
        ("1\tw\n", "2 fields, expected the 10"),
        ("\n", "holds no sentence"),
    ],
)
def test_sentences_that_are_no_tree_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        ud_ewt.parse_conllu("file", text)


def test_a_long_chain_is_a_tree():
    assert len(ud_ewt.parse_conllu("file", conllu(*range(100)))[0].words) == 100


def test_glove_is_read_out_of_its_archive(tmp_path, monkeypatch, offline):
    (tmp_path / "glove_50d").mkdir()
    path = tmp_path / "glove_50d" / "glove.6B.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("glove.6B.100d.txt", "no vectors\n")
        archive.writestr("glove.6B.50d.txt", "cat 1 2\ndog 3 -4\n")
    with pytest.raises(ValueError, match="glove.6B.zip is truncated or not the expected file"):
        glove.load(data_dir=tmp_path)
    monkeypatch.setitem(SHA256, "glove_50d/glove.6B.zip", hashlib.sha256(path.read_bytes()).hexdigest())
    assert glove.load({"dog"}, tmp_path).table.tolist() == [[3.0, -4.0]]
    path.unlink()
    with pytest.raises(FileNotFoundError, match="glove.6B.zip there, or its glove.6B.50d.txt alone"):
        glove.load(data_dir=tmp_path)


def test_glove_counts(data_dir):
    root = data_dir("glove_50d").parent
    some = glove.load({"the", "zzzz"}, root)
    assert some.words == ("the",) and some.table.shape == (1, 50)
    assert some.table[0, :2].tolist() == pytest.approx([0.418, 0.24968])


def test_vectors_of_odd_words_are_read():
    vectors = glove.parse("file", "3 2\na\u00a0b 1 2\n. . 3 4\nc\u2028 5 6\r\n")
    assert vectors.words == ("a\u00a0b", ". .", "c\u2028") and vectors.table.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert vectors[1].words == ". ." and len(glove.parse("file", "a 1\n", set())) == 0


@pytest.mark.parametrize("text", ["a 1 2\nb 1\n", "a 1\na 2\n", "a 1\nb nan\n", "a 1\nb x\n", "a 1\nb 1_0\n"])
def test_lines_that_are_no_vector_are_refused(text):
    with pytest.raises(ValueError, match="file, line 2 is no word and"):
        glove.parse("file", text)
