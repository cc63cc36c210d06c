"""CLIP models, whole, both sides: transformers' folder layout, safetensors only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from webui.core.errors import ModelError, UnsafeFile
from webui.core.models import ModelRef
from webui.engine.clip.judge import ClipJudge
from webui.engine.clip.preprocess import Preprocessing
from webui.engine.families.base import Component, Role
from webui.engine.families.clip import folder_tokenizer
from webui.engine.levels import NoiseLevels
from webui.engine.models import weights

WHAT = "CLIP model"


class ClipFolder:
    """An opened CLIP folder; a ``families.base.Checkpoint`` with one part, "clip"."""

    def __init__(self, ref: ModelRef) -> None:
        self.ref = ref
        self._folder = Path(ref.path)
        if not self._folder.is_dir():
            raise ModelError(f"The CLIP model {ref.name!r} is not there any more.")
        self._config = _config(self._folder)
        self._how = Preprocessing.from_config(preprocessor_config(self._folder))
        model = _empty(self._config)
        config: Any = model.config
        side = config.vision_config.image_size
        if not isinstance(side, int):
            raise ModelError(f"The CLIP model {ref.name!r} does not look at squares.")
        if self._how.output not in (None, (side, side)):
            raise ModelError(
                f"The CLIP model {ref.name!r} looks at {side}×{side} pixels, but its "
                f"preprocessing makes {self._how.output[1]}×{self._how.output[0]}."
            )
        self._count = sum(p.numel() for p in model.parameters())

    def weights(self, role: Role) -> int:
        """How many parameters it has."""
        self._check(role)
        return self._count

    def load(
        self, role: Role, dtype: torch.dtype, device: torch.device, layout: torch.memory_format
    ) -> Component:
        """Read it."""
        self._check(role)
        path = weights.find_weights(self._folder, "model")
        tensors = {
            name: tensor
            for name, tensor in weights.read_tensors(path).items()
            if not name.endswith("position_ids")
        }
        model = _empty(self._config)
        _check_names(model, tensors, self.ref.name)
        weights.fill(model, tensors, WHAT, dtype=dtype, device=device, layout=layout)
        _number_positions(model, device)
        tokenizer = folder_tokenizer(self._folder)
        config: Any = model.config
        known = config.text_config.vocab_size
        if len(tokenizer) > known:
            raise ModelError(
                f"The CLIP model's tokenizer knows {len(tokenizer)} tokens, but its text side "
                f"only {known}."
            )
        return ClipJudge(model, tokenizer, self._how)

    @property
    def levels(self) -> NoiseLevels:
        """It has none: ``ModelError``."""
        self._cannot_draw()

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:  # noqa: ARG002
        """It has none: ``ModelError``."""
        self._cannot_draw()

    def _check(self, role: Role) -> None:
        if role != "clip":
            self._cannot_draw()

    def _cannot_draw(self) -> NoReturn:
        raise ModelError(f"{self.ref.name!r} is a CLIP model, which compares and does not draw.")


class ClipFamily:
    """CLIP models; a ``families.base.Family``."""

    name = "clip"

    def open(self, ref: ModelRef) -> ClipFolder:
        """Read what the folder says about itself; ``ModelError`` if it cannot be used."""
        return ClipFolder(ref)


def preprocessor_config(folder: Path) -> dict[str, Any]:
    """How the folder wants its pictures, from either file that transformers writes."""
    if (folder / "preprocessor_config.json").is_file():
        return weights.read_json(folder / "preprocessor_config.json")
    inner = weights.read_json(folder / "processor_config.json").get("image_processor")
    if not isinstance(inner, dict):
        raise ModelError(f"{folder.name}/processor_config.json has no image_processor.")
    return inner


def _config(folder: Path) -> dict[str, Any]:
    config = weights.read_json(folder / "config.json")
    if "auto_map" in config:
        raise UnsafeFile(f"{folder.name}/config.json brings code of its own; it is refused.")
    if config.get("model_type") != "clip":
        raise ModelError(f"{folder.name}/config.json describes no CLIP model.")
    return config


def _empty(config: Mapping[str, Any]) -> CLIPModel:
    try:
        return weights.empty(lambda: CLIPModel(CLIPConfig.from_dict(dict(config))), WHAT)
    except StrictDataclassError as error:
        text = " ".join(str(error).split())[:200]
        raise ModelError(f"The configuration of the {WHAT} is not usable: {text}.") from error


def _check_names(model: CLIPModel, tensors: Mapping[str, Tensor], name: str) -> None:
    """Weights that it has no place for get a sentence of their own."""
    unknown = [key for key in tensors if key not in model.state_dict()]
    if unknown:
        raise ModelError(
            f"The CLIP model {name!r} is of another kind: it has {len(unknown)} weights that its "
            f"configuration has no place for, such as {unknown[0][:100]}."
        )


def _number_positions(model: CLIPModel, device: torch.device) -> None:
    """Positions are no weights: they are counted out anew."""
    for embeddings in (model.text_model.embeddings, model.vision_model.embeddings):
        count = embeddings.position_embedding.num_embeddings
        numbers = torch.arange(count, device=device)[None]
        embeddings.register_buffer("position_ids", numbers, persistent=False)
