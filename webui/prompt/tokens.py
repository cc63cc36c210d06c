"""How many tokens a prompt has for a text encoder of CLIP's kind, without loading the encoder."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from webui.core.errors import ModelError, SetupError
from webui.prompt.chunks import Token, Tokens, cut
from webui.prompt.embeddings import Called, EmbeddingNames
from webui.prompt.plan import plan_prompts
from webui.prompt.weights import sections

LENGTH = 77
"""Tokens of a chunk, its start and end included."""
VOCABULARY = 49_408
START, END = "<|startoftext|>", "<|endoftext|>"
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_COMMA = ",</w>"
_MOST_BYTES = 32_000_000
_NONE: Mapping[str, int] = {}
_MOST_CHARS = 500_000
"""Characters of a schedule's texts that are counted, the longest texts first."""


@dataclass(frozen=True, slots=True)
class Count:
    """The tokens in each chunk of a prompt, and how many the chunks have room for together."""

    chunks: tuple[int, ...]
    room: int

    @property
    def tokens(self) -> int:
        """How much of the room is taken, as A1111 counts: all of it in chunks before the last."""
        return self.room // len(self.chunks) * (len(self.chunks) - 1) + self.chunks[-1]


@dataclass(frozen=True, slots=True)
class _Called:
    """The embeddings that may be called, and how many vectors each has."""

    names: EmbeddingNames
    vectors: Mapping[str, int]


class Counter:
    """Counts as the text encoder's chunks are cut: syntax is no tokens."""

    def __init__(self, tokenizer: Tokenizer, length: int = LENGTH) -> None:
        self._tokenizer = tokenizer
        self._room = length - 2
        self._comma = tokenizer.token_to_id(_COMMA)

    def count(
        self,
        text: str,
        *,
        steps: int = 20,
        emphasis: str = "Original",
        negative: bool = False,
        vectors: Mapping[str, int] = _NONE,
    ) -> Count:
        """The tokens of a prompt; it takes at least one chunk.

        Where AND and schedules make several texts of it, those of the one that takes most.
        ``vectors`` are those of each embedding that it may call.
        """
        plan = plan_prompts("" if negative else text, text if negative else "", steps)
        found = [plan.negative] if negative else [pieces for pieces, _ in plan.positive]
        texts = sorted({piece.text for pieces in found for piece in pieces}, key=len, reverse=True)
        counts: list[Count] = []
        called = _Called(EmbeddingNames(vectors), vectors)
        chars = 0
        for one in texts:
            if not counts or chars + len(one) <= _MOST_CHARS:
                counts.append(self._count(one, emphasis, called))
                chars += len(one)
        return max(counts, key=lambda count: count.tokens)

    def _count(self, text: str, emphasis: str, called: _Called) -> Count:
        found = sections(text, emphasis)
        tokens = [self._tokens((span.text for span in one), called) for one in found]
        chunks = cut(tokens, self._room, self._comma)
        return Count(tuple(len(chunk) for chunk in chunks), self._room * len(chunks))

    def _tokens(self, texts: Iterable[str], called: _Called) -> Tokens:
        parts = (part for text in texts for part in called.names.parts(text))
        return [(token, 1.0) for part in parts for token in self._of_part(part, called)]

    def _of_part(self, part: str | Called, called: _Called) -> Sequence[Token]:
        return self.ids(part) if isinstance(part, str) else [(0,) * called.vectors[part.name]]

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
    return Counter(clip(*clip_vocabulary()))


def clip_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """CLIP's own tokens and their ids, and the byte-pair merges in order; ``SetupError`` where the
    package open_clip is missing, which is located but not imported."""
    merges = _clip_merges()
    letters = list(_byte_letters().values())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["".join(pair) for pair in merges]
    vocabulary = {token: index for index, token in enumerate([*tokens, START, END])}
    return vocabulary, merges


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


def _byte_letters() -> dict[int, str]:
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
