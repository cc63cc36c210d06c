"""Attention without per-call bookkeeping, in place of diffusers' general one.

diffusers' ``Attention`` looks its processor's signature up and handles a dozen variants in every
call, which costs small models several percent of a step. This one does the plain case only, under
the same weight names, and keeps the keys and values of the newest text for as long as its tensor
lives, and its own weights are the same: the step loop passes the same one from step to step.
"""

from __future__ import annotations

from operator import is_
from typing import Any

from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.weak import WeakTensorKeyDictionary

_MOST_KEPT = 1 << 18
"""Elements of keys that are kept at most, per layer: for larger models keeping gains nothing."""

_UNUSED = (
    "group_norm",
    "spatial_norm",
    "norm_q",
    "norm_k",
    "norm_cross",
    "added_kv_proj_dim",
    "fused_projections",
    "residual_connection",
    "upcast_attention",
)


class PlainAttention(nn.Module):
    """softmax(q kᵀ / √d) v of [B, N, C] hidden states; of ``encoder_hidden_states`` if given."""

    def __init__(self, source: Attention) -> None:
        super().__init__()
        parts: Any = source
        self.heads: int = parts.heads
        self.to_q: nn.Module = parts.to_q
        self.to_k: nn.Module = parts.to_k
        self.to_v: nn.Module = parts.to_v
        self.to_out: nn.ModuleList = parts.to_out
        self._kept = WeakTensorKeyDictionary()

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """[B, N, C]; ``attention_mask`` [B, 1, T] is added to what the softmax sees."""
        q = self._split(self.to_q(hidden_states))
        if encoder_hidden_states is None:
            k, v = self._project(hidden_states)
        else:
            k, v = self._of_text(encoder_hidden_states)
        mask = None if attention_mask is None else attention_mask[:, None]
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.to_out[0](out.transpose(1, 2).flatten(2))

    def _of_text(self, text: Tensor) -> tuple[Tensor, Tensor]:
        made_with = self.to_k.weight, self.to_v.weight  # LoRAs put others here between two passes
        kept = self._kept.get(text)
        if kept is not None and all(map(is_, kept[1], made_with)):
            return kept[0]
        projected = self._project(text)
        self._kept.clear()
        if projected[0].numel() <= _MOST_KEPT:
            self._kept[text] = projected, made_with
        return projected

    def _project(self, states: Tensor) -> tuple[Tensor, Tensor]:
        return self._split(self.to_k(states)), self._split(self.to_v(states))

    def _split(self, states: Tensor) -> Tensor:
        """[B, N, C] → [B, heads, N, C / heads]."""
        return states.unflatten(2, (self.heads, -1)).transpose(1, 2)


def simplify(model: nn.Module) -> int:
    """Replace every plain ``Attention`` inside ``model``; returns how many there were.

    diffusers' ``set_attn_processor`` does not reach the new ones: what is to attend in another way
    takes their place as a module.
    """
    replaced = 0
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, Attention) and _is_plain(child):
                setattr(module, name, PlainAttention(child))
                replaced += 1
    return replaced


def _is_plain(attention: Attention) -> bool:
    scale = (attention.inner_dim // attention.heads) ** -0.5
    return (
        not any(getattr(attention, name, None) for name in _UNUSED)
        and attention.to_k is not None
        and attention.rescale_output_factor == 1
        and abs(attention.scale - scale) < 1e-9
    )
