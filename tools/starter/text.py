"""The tokenizer: a byte-level BPE in CLIP's format, learnt from the recipe's own captions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from tools.starter.captions import write_caption
from tools.starter.scene import draw_scene

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
MAX_LENGTH = 77
SPLIT = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""


def caption_corpus(seed: int, count: int) -> list[str]:
    """Captions of random training scenes."""
    rng = np.random.default_rng([seed, 77])
    return [write_caption(rng, draw_scene(rng)).text for _ in range(count)]


def learn_bpe(corpus: list[str], vocabulary: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges in CLIP's order: bytes, bytes with </w>, merges, two specials."""
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.normalizer = normalizers.Lowercase()
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - 2,
        min_frequency=2,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    bpe.train_from_iterator(corpus, trainer)
    learnt = json.loads(bpe.to_str())["model"]["merges"]
    merges = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in learnt]
    merges = merges[: vocabulary - 2 - 2 * len(alphabet)]
    tokens = [*alphabet, *(f"{letter}</w>" for letter in alphabet), *("".join(m) for m in merges)]
    tokens = [*dict.fromkeys(tokens), BOS, EOS]
    return {token: index for index, token in enumerate(tokens)}, merges


def write_files(folder: Path, vocab: dict[str, int], merges: list[tuple[str, str]]) -> None:
    """The files that every release of CLIPTokenizer reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), "utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    specials = {"bos_token": BOS, "eos_token": EOS, "pad_token": EOS, "unk_token": EOS}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": MAX_LENGTH, **specials}
    config.update(add_prefix_space=False, do_lower_case=True, errors="replace")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "special_tokens_map.json").write_text(json.dumps(specials, indent=2) + "\n")


def load_or_learn(folder: Path, seed: int, vocabulary: int) -> CLIPTokenizer:
    """The tokenizer of the folder; learnt and written there when there is none.

    It is learnt once per training: a changed caption writer must not move token ids under a
    text encoder that is half trained.
    """
    if not (folder / "special_tokens_map.json").exists():
        write_files(folder, *learn_bpe(caption_corpus(seed, 40_000), vocabulary))
    return CLIPTokenizer.from_pretrained(folder)


def token_ids(tokenizer: CLIPTokenizer, texts: list[str], length: int = MAX_LENGTH) -> np.ndarray:
    """Token ids of the texts, cut and padded to the length: int64 [len(texts), length]."""
    out = tokenizer(texts, padding="max_length", truncation=True, max_length=length)
    return np.asarray(out["input_ids"], np.int64)
