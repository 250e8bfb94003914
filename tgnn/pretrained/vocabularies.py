"""Tokenizers of folders without a tokenizer.json: from BERT's vocab.txt, from one of chemistry, or from GPT-2's files.

All are built with the package `tokenizers`, whose algorithms they are; nothing is cut here.
"""

import re
from pathlib import Path
from typing import Any

from tgnn.datasets.files.archives import read_text
from tgnn.pretrained.files import read_json

# Atoms, bonds, rings and brackets: Schwaller et al., Molecular Transformer, arXiv:1811.02633; the form of rxnfp.
SMILES = (
    r"%\([0-9]{3}\)|\[[^\]]+\]|Br?|Cl?|N|O|S|P|F|I|b|c|n|o|s|p"
    r"|\||\(|\)|\.|=|#|-|\+|\\|/|:|~|@|\?|>>?|\*|\$|%[0-9]{2}|[0-9]"
)
BERT_WORDS = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}


def is_chemical(words: dict[str, int]) -> bool:
    """Whether every word of a vocabulary is one token of SMILES."""
    return all(re.fullmatch(SMILES, word) for word in words)


def build_tokenizer(folder: Path) -> Any:
    """The `tokenizers.Tokenizer` of a folder's vocab.txt, or of its vocab.json and merges.txt.

    Raises:
        FileNotFoundError: there is neither.
        ValueError: a file is damaged, or lacks a word that the tokenizer needs.
    """
    if (folder / "vocab.txt").is_file():
        words = read_words(folder / "vocab.txt")
        return smiles_tokenizer(words) if is_chemical(words) else wordpiece_tokenizer(words, settings_of(folder))
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return byte_pair_tokenizer(folder)
    raise FileNotFoundError(
        f"{folder} has no tokenizer.json, no vocab.txt, and not both vocab.json and merges.txt; get one of them"
    )


def settings_of(folder: Path) -> dict[str, Any]:
    """What a tokenizer_config.json says, or nothing."""
    path = folder / "tokenizer_config.json"
    return read_json(path) if path.is_file() else {}


def read_words(path: Path) -> dict[str, int]:
    """The words of a vocab.txt, one a line, with their numbers. An empty line has a number and no word.

    Raises:
        ValueError: a word stands there twice, or one of BERT's own words is missing.
    """
    lines = [line.rstrip("\r") for line in read_text(path).removesuffix("\n").split("\n")]
    words = {word: i for i, word in enumerate(lines) if word}
    twice = next((word for i, word in enumerate(lines) if word and words[word] != i), None)
    if twice is not None:
        raise ValueError(f"{path} has the word {twice!r} twice; get the published file")
    missing = [word for word in BERT_WORDS.values() if word not in words]
    if missing:
        raise ValueError(f"{path} lacks the words {missing}, so it is no vocabulary of BERT; get the published file")
    return words


def with_bert_ends(tokenizer: Any, words: dict[str, int]) -> Any:
    """A tokenizer that puts [CLS] and [SEP] around a text, and finds BERT's own words in it."""
    from tokenizers import processors

    special = [word for word in (*BERT_WORDS.values(), "[MASK]") if word in words]
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(word, words[word]) for word in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def wordpiece_tokenizer(words: dict[str, int], settings: dict[str, Any]) -> Any:
    """BERT's: words at spaces and punctuation, then the longest pieces; small letters unless the settings say not.

    Reference: Devlin et al., BERT, arXiv:1810.04805; Wu et al., arXiv:1609.08144.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(
        lowercase=settings.get("do_lower_case", True) is not False,
        strip_accents=settings.get("strip_accents"),
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True) is not False,
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return with_bert_ends(tokenizer, words)


def smiles_tokenizer(words: dict[str, int]) -> Any:
    """One of chemistry: a text is cut where a token of SMILES begins, and what is none is [UNK].

    The originals (rxnmapper, rxnfp) drop characters that begin no token, which no valid SMILES has.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(SMILES), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return with_bert_ends(tokenizer, words)


def byte_pair_tokenizer(folder: Path) -> Any:
    """GPT-2's pairs of bytes; with RoBERTa's ends where the vocabulary has them.

    Reference: Radford et al., Language Models are Unsupervised Multitask Learners, 2019; Liu et al., arXiv:1907.11692.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    words, settings = read_json(folder / "vocab.json"), settings_of(folder)
    if not all(type(i) is int and i >= 0 for i in words.values()):
        raise ValueError(f"{folder / 'vocab.json'} must map words to numbers; get the published file")
    lines = read_text(folder / "merges.txt").split("\n")
    merges = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    if any(len(pair) != 2 for pair in merges):
        raise ValueError(f"{folder / 'merges.txt'} has a line that is no pair of pieces; get the published file")
    try:
        tokenizer = Tokenizer(models.BPE(words, merges))
    except Exception as error:  # the library raises no class of its own
        raise ValueError(f"{folder / 'merges.txt'} does not fit vocab.json ({error}); get both files") from error
    space = settings.get("add_prefix_space", False) is True
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=space)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([x for x in ("<s>", "<pad>", "</s>", "<unk>", "<|endoftext|>") if x in words])
    if "<s>" in words and "</s>" in words:
        if "<mask>" in words:
            tokenizer.add_special_tokens([_mask()])
        ends = [(word, words[word]) for word in ("</s>", "<s>")]
        tokenizer.post_processor = processors.RobertaProcessing(*ends, trim_offsets=True, add_prefix_space=space)
    return tokenizer


def _mask() -> Any:
    """RoBERTa's <mask>, which takes the space before it."""
    from tokenizers import AddedToken

    return AddedToken("<mask>", lstrip=True)
