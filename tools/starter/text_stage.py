"""Stage two: the text encoder learns to carry what a caption says.

From the end mark and the padding after it, linear heads must tell each fact that the caption
states (object, colour, place ...), or that it does not state it. The heads are then
thrown away. The UNet so starts from features in which the facts are easy to find.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from tools.starter.captions import FACTS, Caption, write_caption
from tools.starter.config import Recipe
from tools.starter.models import TEXT_WIDTH, build_text_encoder
from tools.starter.scene import draw_scene
from tools.starter.state import Log, StopRequest, load_state, save_atomically, step_rng
from tools.starter.text import MAX_LENGTH, token_ids
from tools.starter.threads import ThreadTuner
from tools.starter.vae_stage import learning_rate, set_rate

OPTIONS: dict[str, tuple[str, ...]] = {name: ("", *values) for name, values in FACTS.items()}
"""Classes of each head; the first means that the caption does not say."""
SHORT = 32
"""Nearly all captions end before this many tokens; three in four batches are cut to it."""


class FactHeads(nn.Module):
    """One linear classifier for each fact."""

    def __init__(self) -> None:
        super().__init__()
        sizes = {name: nn.Linear(TEXT_WIDTH, len(options)) for name, options in OPTIONS.items()}
        self.heads = nn.ModuleDict(sizes)

    def forward(self, hidden: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits of each fact: hidden [B, T, 128] -> [B, T, options]."""
        return {name: head(hidden) for name, head in self.heads.items()}


def labels_of(captions: list[Caption]) -> dict[str, torch.Tensor]:
    """Index of each stated fact, 0 where the caption leaves it open: int64 [B]."""
    return {
        name: torch.tensor([options.index(caption.facts.get(name, "")) for caption in captions])
        for name, options in OPTIONS.items()
    }


def draw_captions(rng: np.random.Generator, count: int, empty_share: float) -> list[Caption]:
    """Captions of random scenes, some of them empty."""
    return [
        Caption("", {}) if rng.random() < empty_share else write_caption(rng, draw_scene(rng))
        for _ in range(count)
    ]


def text_loss(
    encoder: CLIPTextModel, heads: FactHeads, ids: torch.Tensor, labels: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, float]:
    """Mean cross entropy at the end mark and all padding, and the share of right answers.

    ids [B, T] end in at least one end mark; labels hold [B] for each fact.
    """
    hidden = encoder(ids).last_hidden_state
    after = (ids == encoder.config.eos_token_id).float()
    weight = after / after.sum(dim=1, keepdim=True)
    losses, right = [], []
    for name, logits in heads(hidden).items():
        wanted = labels[name].to(ids.device)[:, None].expand(ids.shape)
        entropy = F.cross_entropy(logits.transpose(1, 2), wanted, reduction="none")
        losses.append((entropy * weight).sum(dim=1).mean())
        right.append(((logits.argmax(-1) == wanted) * weight).sum(dim=1).mean().item())
    return torch.stack(losses).sum(), float(np.mean(right))


def train_text(
    recipe: Recipe,
    state: Path,
    tokenizer: CLIPTokenizer,
    device: str,
    stop: StopRequest,
    tuner: ThreadTuner,
) -> CLIPTextModel | None:
    """Train, or load what is trained; None when asked to stop (this short stage starts over)."""
    torch.manual_seed(recipe.seed + 2)
    encoder = build_text_encoder(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)
    encoder, heads = encoder.to(device), FactHeads().to(device)
    path, log = state / "text.pt", Log(state / "log.jsonl")
    if saved := load_state(path):
        encoder.load_state_dict(saved["model"])
        return encoder
    parameters = [*encoder.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, recipe.text_lr, (0.9, 0.99), weight_decay=0.01)
    accuracies: list[float] = []
    for step in range(recipe.text_steps):
        rng = step_rng(recipe.seed, "text", step)
        captions = draw_captions(rng, recipe.text_batch, recipe.caption_dropout)
        length = MAX_LENGTH if rng.random() < 0.25 else SHORT
        ids = torch.from_numpy(token_ids(tokenizer, [c.text for c in captions], length)).to(device)
        set_rate(optimizer, learning_rate(step, recipe.text_steps, recipe.text_lr, 50, 0.5))
        with tuner.step():
            loss, accuracy = text_loss(encoder, heads, ids, labels_of(captions))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        accuracies.append(accuracy)
        if (step + 1) % recipe.log_every == 0:
            recent = float(np.mean(accuracies[-recipe.log_every :]))
            log.write(stage="text", step=step + 1, loss=loss.item(), accuracy=recent)
        if stop:
            return None
    save_atomically({"model": encoder.state_dict()}, path)
    return encoder
