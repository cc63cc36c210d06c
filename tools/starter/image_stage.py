"""The image tower: a small CLIP whose text side is the frozen text encoder.

`python -m tools.starter.image_stage --state DIR --out models/clip/easel-starter`

Pictures and captions learn to agree by CLIP's contrast (Radford et al. 2021). Each caption comes
with a copy in which one fact is changed, as a further wrong answer; captions that happen to be true
of another picture of the batch count neither way. Beside that, linear heads tell the facts from the
picture, and are thrown away afterwards: they teach a young tower where to look.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read once, when torch is loaded

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel, CLIPTextModel, CLIPTokenizer

from tools.starter.captions import FACTS
from tools.starter.config import DEFAULT_STATE, REPOSITORY, Recipe
from tools.starter.export import replace_files, write_json
from tools.starter.models import TEXT_WIDTH, build_text_encoder
from tools.starter.pairs import (
    IMAGE_SIDE,
    Pair,
    codes,
    contradictions,
    draw_pairs,
    known_facts,
    make_pair,
    phrase,
    picture_of,
    shrunk,
)
from tools.starter.render import render
from tools.starter.scene import MIXTURE, Scene, draw_scene, draw_subject
from tools.starter.state import Log, StopRequest, load_state, save_atomically, step_rng
from tools.starter.text import load_or_learn, token_ids
from tools.starter.text_stage import FactHeads
from tools.starter.threads import ThreadTuner
from tools.starter.vae_stage import learning_rate, set_rate

DEFAULT_CLIP_OUT = REPOSITORY / "models" / "clip" / "easel-starter"
MEAN = STD = 0.5
MOST_SCALE = 100.0
"""CLIP lets its logit scale grow no further."""
PREPROCESSOR = {
    "image_processor_type": "CLIPImageProcessor",
    "do_convert_rgb": True,
    "do_resize": True,
    "size": {"height": IMAGE_SIDE, "width": IMAGE_SIDE},
    "resample": 3,
    "do_center_crop": False,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [MEAN] * 3,
    "image_std": [STD] * 3,
}


def build_clip(text_encoder: CLIPTextModel, recipe: Recipe) -> CLIPModel:
    """A CLIP with the text encoder, frozen, on its text side: about 1.3 M weights."""
    vision = {
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 2 * TEXT_WIDTH,
        "num_hidden_layers": recipe.image_layers,
        "num_attention_heads": 4,
        "image_size": IMAGE_SIDE,
        "patch_size": recipe.image_patch,
        "hidden_act": "quick_gelu",
        "projection_dim": TEXT_WIDTH,
    }
    text = text_encoder.config.to_dict() | {"projection_dim": TEXT_WIDTH}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=TEXT_WIDTH)
    model = CLIPModel(config)
    model.text_model.load_state_dict(text_encoder.state_dict())
    model.text_model.eval().requires_grad_(False)
    return model


def pixel_values(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """uint8 [64, 64, 3] pictures as the image tower takes them: float [B, 3, 64, 64]."""
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    return (batch - MEAN) / STD


@torch.no_grad()
def text_states(model: CLIPModel, tokenizer: CLIPTokenizer, texts: Sequence[str]) -> torch.Tensor:
    """The frozen text tower's state at each end mark, before projection: float [N, width]."""
    ids = torch.from_numpy(token_ids(tokenizer, list(texts)))
    ends = (ids == tokenizer.eos_token_id).int().argmax(dim=1)
    ids = ids[:, : int(ends.max()) + 1]  # the tower is causal: what follows the end changes nothing
    return model.text_model(ids.to(model.device)).pooler_output


def text_features(model: CLIPModel, tokenizer: CLIPTokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Unit vectors of captions: float [N, width]."""
    return F.normalize(model.text_projection(text_states(model, tokenizer, texts)), dim=-1)


def contrast(
    images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, wrong: torch.Tensor
) -> torch.Tensor:
    """CLIP's symmetric cross entropy.

    images [B, D] and texts [K, D] are unit vectors of which the first B texts are the pictures'
    own; wrong [B, K] says which texts are untrue of which pictures. What is neither a picture's own
    nor untrue of it is left out.
    """
    logits = scale * images @ texts.T
    own = torch.eye(*logits.shape, dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(~(wrong | own), float("-inf"))
    wanted = torch.arange(len(images), device=logits.device)
    to_text = F.cross_entropy(logits, wanted)
    to_image = F.cross_entropy(logits[:, : len(images)].T, wanted)
    return (to_text + to_image) / 2


@dataclass(frozen=True)
class ImageBatch:
    """One step: pictures [B, 3, 64, 64], their pairs, and codes of facts, int64 [B, facts]."""

    pictures: torch.Tensor
    pairs: list[Pair]
    known: np.ndarray

    @property
    def texts(self) -> list[str]:
        """The true captions, then the wrong ones."""
        return [p.caption.text for p in self.pairs] + [p.wrong.text for p in self.pairs]

    @property
    def wrong(self) -> torch.Tensor:
        """Which texts are untrue of which pictures: bool [B, 2 B]."""
        stated = [p.caption.facts for p in self.pairs] + [p.wrong.facts for p in self.pairs]
        return torch.from_numpy(contradictions(self.known, codes(stated)))


def batch_at(recipe: Recipe, step: int) -> ImageBatch:
    """Everything random about one step, from the seed and the step's number alone."""
    rng = step_rng(recipe.seed, "image", step)
    pairs = draw_pairs(rng, recipe.image_batch)
    pictures = [picture_of(rng, pair.scene) for pair in pairs]
    return ImageBatch(pixel_values(pictures), pairs, codes([known_facts(p.scene) for p in pairs]))


def fact_loss(heads: FactHeads, pooled: torch.Tensor, known: np.ndarray) -> torch.Tensor:
    """Mean cross entropy of the facts that can be told; pooled [B, width], known [B, facts]."""
    wanted = torch.from_numpy(known).to(pooled.device)
    losses = [
        F.cross_entropy(logits, wanted[:, list(FACTS).index(name)], ignore_index=-1)
        for name, logits in heads(pooled).items()
    ]
    return torch.stack(losses).mean()


class ImageTrainer:
    """The CLIP, its throw-away heads, optimizer and step, with save and resume."""

    def __init__(
        self,
        recipe: Recipe,
        state: Path,
        tokenizer: CLIPTokenizer,
        text_encoder: CLIPTextModel,
        device: str = "cpu",
    ) -> None:
        self.recipe, self.tokenizer, self.device = recipe, tokenizer, device
        torch.manual_seed(recipe.seed + 4)
        self.model = build_clip(text_encoder, recipe).to(device)
        self.heads = FactHeads().to(device)
        every = [*self.model.parameters(), *self.heads.parameters()]
        self.parameters = [weight for weight in every if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, recipe.image_lr, (0.9, 0.98), weight_decay=0.02
        )
        self.step = 0
        self._path = state / "image.pt"
        self._resume()

    def _resume(self) -> None:
        saved = load_state(self._path)
        if saved is None:
            return
        self.step = saved["step"]
        self.model.load_state_dict(saved["model"])
        self.heads.load_state_dict(saved["heads"])
        self.optimizer.load_state_dict(saved["optimizer"])

    def save(self) -> None:
        """Keep everything needed to go on from here."""
        state: dict[str, Any] = {"step": self.step, "model": self.model.state_dict()}
        state |= {"heads": self.heads.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_atomically(state, self._path)

    def loss(self, batch: ImageBatch) -> torch.Tensor:
        """Contrast with captions, plus the facts."""
        model, recipe = self.model, self.recipe
        pooled = model.vision_model(batch.pictures.to(self.device)).pooler_output
        images = F.normalize(model.visual_projection(pooled), dim=-1)
        texts = text_features(model, self.tokenizer, batch.texts)
        scale = model.logit_scale.exp().clamp(max=MOST_SCALE)
        loss = contrast(images, texts, scale, batch.wrong.to(self.device))
        return loss + recipe.image_facts * fact_loss(self.heads, pooled, batch.known)

    def advance(self) -> float:
        """One optimisation step; its loss."""
        recipe = self.recipe
        rate = learning_rate(self.step, recipe.image_steps, recipe.image_lr, 100, 0.7)
        set_rate(self.optimizer, rate)
        loss = self.loss(batch_at(recipe, self.step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return loss.item()


def train_image(
    recipe: Recipe,
    state: Path,
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel,
    device: str,
    stop: StopRequest,
    tuner: ThreadTuner,
) -> CLIPModel | None:
    """Train, or load what is already trained; None when asked to stop before the end."""
    trainer = ImageTrainer(recipe, state, tokenizer, text_encoder, device)
    log = Log(state / "log.jsonl")
    losses: list[float] = []
    while trainer.step < recipe.image_steps:
        with tuner.step():
            losses.append(trainer.advance())
        if trainer.step % recipe.log_every == 0:
            scale = trainer.model.logit_scale.exp().item()
            log.write(stage="image", step=trainer.step, loss=float(np.mean(losses)), scale=scale)
            losses = []
        done = trainer.step == recipe.image_steps
        if stop or done or trainer.step % recipe.save_every == 0:
            trainer.save()
            report = measure(trainer.model, tokenizer, 1000 if done else 300)
            log.write(stage="image", step=trainer.step, **report)
        if stop:
            return None
    return trainer.model.eval()


@torch.no_grad()
def image_features(model: CLIPModel, pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """Unit vectors of uint8 [64, 64, 3] pictures: float [N, width]."""
    parts = [
        model.visual_projection(
            model.vision_model(pixel_values(pictures[i : i + 100]).to(model.device)).pooler_output
        )
        for i in range(0, len(pictures), 100)
    ]
    return F.normalize(torch.cat(parts), dim=-1)


def held_out_scenes(count: int, seed: int = 21) -> list[Scene]:
    """Scenes whose object, colour and background never came together in training."""
    rng = np.random.default_rng(seed)
    return [draw_scene(rng, subject=draw_subject(rng, MIXTURE, True)) for _ in range(count)]


def choices(scene: Scene, name: str) -> tuple[list[str], int]:
    """Captions that name the scene's object and differ in one fact, and which of them is true."""
    facts = known_facts(scene)
    said = {key: facts[key] for key in ("object", "count")}
    if name == "background_colour":
        said["background"] = facts["background"]
    texts = []
    for value in FACTS[name]:
        changed = said | {name: value}
        if name == "background" and value in ("plain", "gradient"):
            changed["background_colour"] = facts["background_colour"] or "white"
        texts.append(phrase(7, changed).text)
    return texts, FACTS[name].index(facts[name])


@torch.no_grad()
def measure(model: CLIPModel, tokenizer: CLIPTokenizer, count: int) -> dict[str, Any]:
    """Shares of right answers over rendered held-out scenes.

    `zero_shot`: the true value of each fact among all its values; `swaps`: the true caption before
    the same with one fact changed.
    """
    scenes = held_out_scenes(count)
    images = image_features(model, [shrunk(render(scene, 128)) for scene in scenes])
    rng = np.random.default_rng(22)
    pairs = [make_pair(rng, scene) for scene in scenes]
    true = text_features(model, tokenizer, [pair.caption.text for pair in pairs])
    wrong = text_features(model, tokenizer, [pair.wrong.text for pair in pairs])
    ahead = ((images * true).sum(dim=-1) > (images * wrong).sum(dim=-1)).tolist()
    swaps = {"all": float(np.mean(ahead))}
    for name in sorted({pair.changed for pair in pairs}):
        swaps[name] = float(
            np.mean([a for a, p in zip(ahead, pairs, strict=True) if p.changed == name])
        )
    known = [known_facts(scene) for scene in scenes]
    zero_shot = {}
    for name in FACTS:
        hits = []
        for scene, facts, image in zip(scenes, known, images, strict=True):
            if not facts.get(name) or len(hits) == 200:
                continue
            texts, wanted = choices(scene, name)
            hits.append(int((text_features(model, tokenizer, texts) @ image).argmax()) == wanted)
        zero_shot[name] = float(np.mean(hits))
    return {"zero_shot": rounded(zero_shot), "swaps": rounded(swaps)}


def rounded(values: dict[str, float]) -> dict[str, float]:
    """To three digits, for people."""
    return {name: round(value, 3) for name, value in values.items()}


def write_clip(model: CLIPModel, tokenizer_folder: Path, folder: Path) -> None:
    """A CLIP folder of half-precision weights as transformers reads it, into a new folder."""
    shutil.copytree(tokenizer_folder, folder, dirs_exist_ok=True)
    write_json(
        folder / "config.json", {"architectures": ["CLIPModel"]} | model.config.to_diff_dict()
    )
    write_json(folder / "preprocessor_config.json", PREPROCESSOR)
    tensors = {
        name: value.half().contiguous().cpu()
        for name, value in model.state_dict().items()
        if not name.endswith("position_ids")
    }
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def export_clip(model: CLIPModel, tokenizer_folder: Path, target: Path) -> None:
    """Write beside the target, then rename file by file: a reader never sees half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".export-", dir=target.parent))
    try:
        write_clip(model, tokenizer_folder, temporary)
        replace_files(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def saved_text_encoder(state: Path, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """The text encoder that the text stage left; `FileNotFoundError` when it has not run."""
    saved = load_state(state / "text.pt")
    if saved is None:
        raise FileNotFoundError(f"{state} has no text.pt; run tools.starter.train first.")
    encoder = build_text_encoder(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)
    encoder.load_state_dict(saved["model"])
    return encoder.eval().requires_grad_(False)


def main(argv: list[str] | None = None) -> int:
    """Train what is missing, export, measure; 0 when done, 3 when interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="resumable state")
    parser.add_argument("--out", type=Path, default=DEFAULT_CLIP_OUT, help="where the CLIP goes")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--steps", type=int, help="length of the training")
    options = parser.parse_args(argv)
    recipe = replace(Recipe(), **({"image_steps": options.steps} if options.steps else {}))
    stop, tuner = StopRequest(), ThreadTuner(options.threads)
    tokenizer = load_or_learn(options.state / "tokenizer", recipe.seed, recipe.vocabulary)
    encoder = saved_text_encoder(options.state, tokenizer)
    model = train_image(recipe, options.state, tokenizer, encoder, options.device, stop, tuner)
    if model is None:
        return 3
    export_clip(model, options.state / "tokenizer", options.out)
    print(json.dumps(measure(model, tokenizer, 1000), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
