"""How many tokens a prompt has for a text encoder of CLIP's kind, without loading the encoder."""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from webui.core.errors import ModelError, SetupError
from webui.prompt.weights import parse

LENGTH = 77
"""Tokens of a chunk, its start and end included."""
VOCABULARY = 49_408
START, END = "<|startoftext|>", "<|endoftext|>"
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_MOST_BYTES = 32_000_000


@dataclass(frozen=True, slots=True)
class Count:
    """Tokens of a prompt, and how many the chunks it fills have room for."""

    tokens: int
    room: int


class Counter:
    """Counts as the text encoder's tokenizer cuts: emphasis is syntax, not tokens."""

    def __init__(self, tokenizer: Tokenizer, length: int = LENGTH) -> None:
        self._tokenizer = tokenizer
        self._room = length - 2

    def count(self, text: str) -> Count:
        """The tokens of ``text``; it takes at least one chunk."""
        number = sum(len(self.ids(span.text)) for span in parse(text))
        return Count(number, self._room * max(1, math.ceil(number / self._room)))

    def ids(self, text: str) -> list[int]:
        """Token ids of a text without syntax, start and end left out."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids


def folder_counter(folder: Path) -> Counter:
    """The counter of a model's ``tokenizer`` folder; ``ModelError`` if that cannot be read."""
    try:
        if (folder / "tokenizer.json").is_file():
            tokenizer = Tokenizer.from_str(_read(folder / "tokenizer.json"))
            tokenizer.no_padding()
            tokenizer.no_truncation()
        else:
            tokenizer = clip(*_vocabulary(folder))
        length = _length(folder)
    # What the tokenizers package raises has no class of its own.
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise ModelError(f"The tokenizer of the model folder cannot be read: {text}.") from error
    return Counter(tokenizer, length)


def clip_counter() -> Counter:
    """The counter of CLIP's own vocabulary, from the file that the package open_clip carries."""
    merges = _clip_merges()
    letters = list(byte_letters().values())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["".join(pair) for pair in merges]
    vocabulary = {token: index for index, token in enumerate([*tokens, START, END])}
    return Counter(clip(vocabulary, merges))


def clip(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    """CLIP's byte-pair encoding (Radford et al. 2021) over this vocabulary."""
    made: Any = Tokenizer(
        models.BPE(
            vocab=vocabulary, merges=merges, end_of_word_suffix="</w>", unk_token=END,
            continuing_subword_prefix="", fuse_unk=False,
        )
    )  # fmt: skip
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True)
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [words, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([token for token in (START, END) if token in vocabulary])
    return made


def byte_letters() -> dict[int, str]:
    """A printable letter for each byte, in CLIP's order: printable bytes are themselves."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in printable)
    letters = {byte: chr(byte) for byte in printable}
    return letters | {byte: chr(256 + i) for i, byte in enumerate(others)}


def _vocabulary(folder: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    vocabulary: dict[str, int] = json.loads(_read(folder / "vocab.json"))
    lines = _read(folder / "merges.txt").split("\n")
    pairs = [tuple(line.split()) for line in lines if line and not line.startswith("#version")]
    return vocabulary, [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]


def _length(folder: Path) -> int:
    path = folder / "tokenizer_config.json"
    found = json.loads(_read(path)).get("model_max_length") if path.is_file() else None
    return found if isinstance(found, int) and 2 < found <= 1024 else LENGTH


def _read(path: Path) -> str:
    if path.stat().st_size > _MOST_BYTES:
        raise ModelError(f"{path.name} is larger than a tokenizer's file.")
    return path.read_text(encoding="utf-8")


def _clip_merges() -> list[tuple[str, str]]:
    name = "open_clip/bpe_simple_vocab_16e6.txt.gz"
    try:
        path = Path(str(metadata.distribution("open-clip-torch").locate_file(name)))
        lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    except (metadata.PackageNotFoundError, OSError) as error:
        raise SetupError(
            "CLIP's vocabulary is missing; install the package open-clip-torch."
        ) from error
    pairs = (line.split() for line in lines[1 : VOCABULARY - 512 - 2 + 1])
    return [(pair[0], pair[1]) for pair in pairs]
