"""Our attention against diffusers' own."""

from __future__ import annotations

import gc

import pytest
import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from webui.engine.families.attention import PlainAttention, simplify


def both(**options: object) -> tuple[Attention, PlainAttention]:
    torch.manual_seed(0)
    theirs = Attention(query_dim=16, heads=4, dim_head=4, **options).eval()  # pyright: ignore[reportArgumentType]
    return theirs, PlainAttention(theirs)


@torch.inference_mode()
def test_it_attends_to_itself_as_diffusers_does() -> None:
    theirs, ours = both()
    x = torch.randn(2, 9, 16)
    torch.testing.assert_close(ours(x), theirs(x))


@torch.inference_mode()
def test_it_attends_to_texts_as_diffusers_does_and_never_to_an_old_one() -> None:
    theirs, ours = both(cross_attention_dim=12)
    texts = [torch.randn(2, 7, 12) for _ in range(2)]
    for turn in (0, 0, 1, 0, 1, 1):
        x = torch.randn(2, 9, 16)
        torch.testing.assert_close(ours(x, texts[turn]), theirs(x, texts[turn]))
    del texts
    for _ in range(20):  # new tensors may lie where old ones lay
        x, text = torch.randn(2, 9, 16), torch.randn(2, 7, 12)
        torch.testing.assert_close(ours(x, text), theirs(x, text))


@torch.inference_mode()
def test_a_texts_keys_are_computed_once() -> None:
    _, ours = both(cross_attention_dim=12)
    calls: list[int] = []
    ours.to_k.register_forward_hook(lambda *_: calls.append(1))
    x, text = torch.randn(2, 9, 16), torch.randn(2, 7, 12)
    for _ in range(5):
        ours(x, text)
    assert len(calls) == 1


@torch.inference_mode()
def test_a_texts_keys_go_when_the_text_goes() -> None:
    def kept() -> int:
        return sum(type(o) is Tensor and o.shape == (2, 4, 7, 4) for o in gc.get_objects())

    _, ours = both(cross_attention_dim=12)
    text = torch.randn(2, 7, 12)
    ours(torch.randn(2, 9, 16), text)
    assert kept() == 2
    ours(torch.randn(2, 9, 16), torch.randn(2, 7, 12))
    assert kept() == 0  # only the newest text's are kept, and that one is gone


@torch.inference_mode()
def test_masks_hide_what_they_hide_from_diffusers() -> None:
    theirs, ours = both(cross_attention_dim=12)
    x, text = torch.randn(4, 9, 16), torch.randn(4, 7, 12)  # as many rows as heads
    mask = torch.zeros(4, 1, 7).masked_fill_(torch.rand(4, 1, 7) < 0.5, -10000.0)
    torch.testing.assert_close(ours(x, text, mask), theirs(x, text, mask))


def test_an_option_it_does_not_know_is_refused() -> None:
    _, ours = both()
    with pytest.raises(TypeError, match="ip_adapter_masks"):
        ours(torch.randn(1, 9, 16), ip_adapter_masks=[])  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    "options",
    [
        {"norm_num_groups": 4},
        {"residual_connection": True},
        {"qk_norm": "layer_norm"},
        {"scale_qk": False},
    ],
)
def test_what_is_not_plain_is_left_alone(options: dict[str, object]) -> None:
    theirs, _ = both(**options)
    model = nn.Sequential(theirs, nn.Linear(2, 2))
    assert simplify(model) == 0
    assert model[0] is theirs


def test_plain_ones_are_replaced_under_the_same_names() -> None:
    theirs, _ = both()
    model = nn.ModuleDict({"inner": nn.ModuleDict({"attn1": theirs})})
    names = list(model.state_dict())
    assert simplify(model) == 1
    assert sorted(model.state_dict()) == sorted(names)
