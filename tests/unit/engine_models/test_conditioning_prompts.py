"""Requests to conditionings: what is encoded, how often, and what holds at which step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from webui.core.requests import Txt2Img
from webui.engine.conditioning import EmbeddingCache, PromptEncoder
from webui.engine.conditioning.prompts import encode_texts
from webui.engine.conditioning.scheduled import Scheduled, source_of
from webui.engine.evaluation import Conditioning, ConditioningSource, Prompts
from webui.engine.pipelines.stages import conditionings, texts_of
from webui.prompt.schedules import Piece


class Letters:
    """One token per letter, ten letters a chunk; remembers every chunk it was given."""

    start, end, pad, comma, length, nbytes = 1, 2, 3, ord(","), 12, 0
    width = 2
    network = nn.Module()

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def to(self, device: torch.device) -> None: ...

    def tokenize(self, text: str) -> list[int]:
        return [ord(c) for c in text if not c.isspace()]

    def encode(
        self, chunks: Sequence[Sequence[int]], clip_skip: int, vectors: Tensor | None = None
    ) -> Tensor:
        self.calls.append(["".join(chr(t) for t in chunk if t > 3) for chunk in chunks])
        return torch.tensor(chunks, dtype=torch.float32)[:, :, None].expand(-1, -1, 2)


class Model:
    dtype = torch.bfloat16


class Desk:
    """Encodes a request's prompts as a job does."""

    def __init__(self) -> None:
        self.encoder, self.prompts = Letters(), PromptEncoder(EmbeddingCache())

    @contextmanager
    def lease(self) -> Iterator[Any]:
        yield self.encoder

    def prompts_of(self, request: Txt2Img) -> Prompts:
        how = request.clip_skip, self.lease, request.emphasis
        embeddings = self.prompts.encode(texts_of(request), "digest", *how)
        model: Any = Model()
        return conditionings(request, embeddings, model)


def letters(cond: Conditioning) -> str:
    return "".join(chr(int(t)) for t in cond.embeddings[:, 0].tolist() if t > 3)


def over_steps(source: ConditioningSource, steps: int) -> list[str]:
    return [letters(source.at(step, steps)) for step in range(steps)]


def test_each_different_text_is_encoded_once_in_one_call() -> None:
    desk = Desk()
    request = Txt2Img(
        prompt="[a|b] x AND b x:0.5 AND [a:b:3] x", negative_prompt="[z:a:1]", steps=6
    )
    desk.prompts_of(request)
    (call,) = desk.encoder.calls
    assert sorted(call) == ["a", "ax", "bx", "z"]


def test_a_second_job_encodes_nothing_and_a_changed_one_what_is_new() -> None:
    desk = Desk()
    request = Txt2Img(prompt="[a|b|c]", negative_prompt="[y:z:0.5]", steps=9)
    first = desk.prompts_of(request)
    again = desk.prompts_of(request)
    assert len(desk.encoder.calls) == 1
    assert over_steps(first.positive[0][0], 9) == over_steps(again.positive[0][0], 9)
    desk.prompts_of(Txt2Img(prompt="[c|a|d]", negative_prompt="z", steps=9))
    assert desk.encoder.calls[1:] == [["d"]]


def test_the_emphasis_mode_tells_embeddings_apart() -> None:
    desk = Desk()
    texts = {}
    for mode in ("Original", "No norm", "None", "Ignore"):
        request = Txt2Img(prompt="(a:1.5)b BREAK c", cfg_scale=1, emphasis=mode)
        ((source, _),) = desk.prompts_of(request).positive
        texts[mode] = source.at(0, 20).embeddings[:, 0].float().tolist()
    assert desk.encoder.calls == [["ab", "c"], ["ab", "c"], ["(a:1.5)bBR", "EAKc"], ["ab", "c"]]
    assert texts["No norm"][1:3] == [146.0, 98.0]  # 97 · 1.5, in bfloat16
    assert texts["Ignore"][1:3] == [97.0, 98.0]
    assert texts["Original"][1] / texts["Original"][2] == pytest.approx(145.5 / 98, rel=0.01)
    assert texts["Original"][2] < 98


def test_a_break_begins_a_chunk() -> None:
    encoder = Letters()
    (embeddings,) = encode_texts(encoder, ["ab BREAK c BREAK"], 1)
    assert embeddings.shape == (24, 2)
    assert embeddings[:, 0].tolist()[:5] == [1, 97, 98, 2, 3]
    assert embeddings[:, 0].tolist()[12:15] == [1, 99, 2]


def test_more_chunks_than_fit_one_call_are_encoded_in_several() -> None:
    encoder = Letters()
    texts = [chr(0x4E00 + n) for n in range(300)]
    encoded = encode_texts(encoder, texts, 1)
    assert [len(call) for call in encoder.calls] == [256, 44]
    assert [chr(int(one[1, 0])) for one in encoded] == texts


def test_what_holds_at_which_step() -> None:
    desk = Desk()
    prompts = desk.prompts_of(
        Txt2Img(prompt="[a:b:2] AND [c|d]:-0.5", negative_prompt="[n:0.5]", steps=6)
    )
    (one, weight), (two, other) = prompts.positive
    assert (weight, other) == (1.0, -0.5)
    # As in A1111 the first text holds one step longer than the prompt says.
    assert over_steps(one, 6) == ["a", "a", "a", "b", "b", "b"]
    assert over_steps(two, 6) == ["c", "c", "d", "c", "d", "c"]
    assert over_steps(prompts.negative, 6) == ["", "", "", "", "n", "n"]
    assert one.at(0, 6) is one.at(1, 6)  # so that the step loop stacks it once
    assert one.at(0, 6).embeddings.dtype == torch.bfloat16


def test_a_sampler_with_other_levels_goes_the_same_way() -> None:
    conds = {text: Conditioning(torch.full((1, 1), ord(text))) for text in "ab"}
    source = source_of((Piece(5, "a"), Piece(10, "b")), conds)
    assert isinstance(source, Scheduled)
    assert "".join(letters(source.at(step, 20)) for step in range(20)) == "a" * 12 + "b" * 8
    assert "".join(letters(source.at(step, 5)) for step in range(5)) == "aaabb"
    assert source_of((Piece(5, "a"), Piece(10, "a")), conds) is conds["a"]


def test_all_texts_of_a_job_are_equally_long() -> None:
    desk = Desk()
    request = Txt2Img(
        prompt="[short:a much longer one:3] AND three whole chunks of letters", steps=6
    )
    prompts = desk.prompts_of(request)
    sources = [*(source for source, _ in prompts.positive), prompts.negative]
    assert {source.at(step, 6).embeddings.shape for source in sources for step in range(6)} == {
        (6 * 12, 2)
    }


@pytest.mark.parametrize(
    ("prompt", "cfg_scale", "perp_neg", "expected"),
    [
        ("a", 7, 0, ["a", "n"]),
        ("a", 1, 0, ["a"]),
        ("a:2", 1, 0, ["a", "n"]),  # what weighs twice is measured from the negative prompt
        ("a:0.5", 2, 0, ["a"]),
        ("a AND b", 1, 0, ["a", "b", "n"]),
        ("a:.5 AND b:.5", 1, 0, ["a", "b"]),
        ("a", 1, 1, ["a", "n", ""]),
        ("n", 7, 0, ["n"]),
    ],
)
def test_only_what_is_evaluated_is_encoded(prompt, cfg_scale, perp_neg, expected) -> None:
    request = Txt2Img(
        prompt=prompt, negative_prompt="n", cfg_scale=cfg_scale, perp_neg=perp_neg, steps=3
    )
    assert texts_of(request) == expected
    prompts = Desk().prompts_of(request)
    assert letters(prompts.negative.at(0, 3)) == ("n" if "n" in expected else "a")
    assert (prompts.empty is not None) == (perp_neg > 0)


def test_extra_networks_and_comments_never_reach_the_text_encoder() -> None:
    desk = Desk()
    desk.prompts_of(Txt2Img(prompt="a <lora:ink:0.8> b # c", negative_prompt="d # e", steps=2))
    assert desk.encoder.calls == [["ab", "d"]]
