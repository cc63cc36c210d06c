"""Milliseconds to read 1,000 prompts, seconds for 1 MB of brackets, and texts that are encoded.

Reading is all that happens before the tokenizer: comments, extra networks, AND, schedules over 20
steps, and emphasis of every text these give. What is encoded is counted over the 50 pictures of a
CFG × seed grid, with an encoder that does nothing else.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from benchmarks.common import median_interval, report
from webui.core.requests import Txt2Img
from webui.engine.conditioning import EmbeddingCache, PromptEncoder
from webui.engine.pipelines.stages import texts_of
from webui.prompt.plan import plan_prompts
from webui.prompt.weights import sections

STEPS = 20
MEGABYTE = 1_000_000
BRACKETS = ("(", "[", ")", "([", "()", "[]", "(a:1.1)", "[a:b:9]", "[a|b]", "[a:")
PHRASES = {
    "plain": ("a red fox in the snow", "soft light", "35mm", "highly detailed"),
    "weights": ("(a red fox:1.2)", "((soft light))", "[grain]", r"35mm \(film\)", "(snow)"),
    "everything": (
        "a [red:grey:0.4] fox", "[oil|ink] painting", "(snow:1.3)", "<lora:ink:0.8>", "BREAK",
        "((fog))", "[stars:12]", "# a note\n", "AND a river:0.5 ,",
    ),
}  # fmt: skip
GRID = Txt2Img(prompt="a [red:grey:0.4] (fox:1.2) AND [snow|rain]:0.7", negative_prompt="[fog:9]")


def main() -> None:
    """Measure and write ``results/prompts.json``."""
    args = _arguments()
    rng = random.Random(0)
    figures = {name: _per_thousand(phrases, args, rng) for name, phrases in PHRASES.items()}
    megabyte = {
        one: _seconds(lambda one=one: _read(one * (MEGABYTE // len(one)))) for one in BRACKETS
    }
    report(
        "prompts",
        {
            "milliseconds_per_1000": figures,
            "seconds_per_megabyte": megabyte,
            "grid_of_50": _encoded(),
        },
    )


def _per_thousand(
    phrases: Sequence[str], args: argparse.Namespace, rng: random.Random
) -> dict[str, Any]:
    prompts = [", ".join(rng.choices(phrases, k=12)) for _ in range(1000)]
    times = [1000 * _seconds(lambda: [_read(one) for one in prompts]) for _ in range(args.rounds)]
    return {**median_interval(times), "characters": sum(map(len, prompts)) / len(prompts)}


def _read(prompt: str) -> None:
    plan = plan_prompts(prompt, "", STEPS)
    for text in {piece.text for pieces, _ in plan.positive for piece in pieces}:
        sections(text)


def _seconds(act: Callable[[], object]) -> float:
    """Computing time: what other programs take of the machine is left out."""
    begun = time.process_time()
    act()
    return time.process_time() - begun


def _encoded() -> dict[str, int]:
    """Texts and calls of the encoder, and how many different texts there are."""
    grid = [
        replace(GRID, cfg_scale=2 + scale, seed=seed) for scale in range(10) for seed in range(5)
    ]
    counting = _Counting()
    encoder = PromptEncoder(EmbeddingCache())
    for request in grid:
        encoder.encode(texts_of(request), "digest", 1, counting.lease, request.emphasis)
    return {
        "pictures": len(grid),
        "different_texts": len({text for request in grid for text in texts_of(request)}),
        "encoded_texts": counting.texts,
        "encoder_calls": counting.calls,
    }


class _Counting:
    """A text encoder of one token for every letter, which counts."""

    start, end, pad, comma, length, nbytes = 1, 2, 3, None, 77, 0

    def __init__(self) -> None:
        self.calls = self.texts = 0

    @contextmanager
    def lease(self) -> Iterator[Any]:
        yield self

    def to(self, device: torch.device) -> None: ...

    def tokenize(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def encode(self, chunks: Sequence[Sequence[int]], clip_skip: int) -> torch.Tensor:  # noqa: ARG002
        self.calls += 1
        self.texts += len(chunks)  # these texts have one chunk each
        return torch.zeros(len(chunks), self.length, 8)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    return parser.parse_args()


if __name__ == "__main__":
    main()
