"""CLIP's text encoder and tokenizer (Radford et al. 2021), as Stable Diffusion uses them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from webui.core.errors import InvalidRequest, ModelError, SetupError
from webui.engine.models import weights
from webui.prompt.tokens import LENGTH, VOCABULARY, clip_vocabulary

TEXT = "text encoder"

_PREFIX = "text_model."
_IGNORED = ("embeddings.position_ids", "text_projection.weight", "logit_scale")
_CHUNKS_AT_ONCE = 16


class ClipText:
    """A loaded CLIP text encoder with its tokenizer; a ``families.base.TextEncoder``."""

    def __init__(self, model: CLIPTextModel, tokenizer: CLIPTokenizer) -> None:
        self._model: Any = model
        self._tokenizer: Any = tokenizer
        self._layers = int(model.config.num_hidden_layers)
        self.start = int(self._tokenizer.bos_token_id)
        self.end = int(self._tokenizer.eos_token_id)
        self.pad = int(self._tokenizer.pad_token_id)
        comma = self._tokenizer.get_vocab().get(",</w>")
        self.comma = None if comma is None else int(comma)
        self.length = int(self._tokenizer.model_max_length)
        self.width = int(model.config.hidden_size)

    @property
    def network(self) -> nn.Module:
        """The text model."""
        return self._model

    @property
    def nbytes(self) -> int:
        """Measured size of its weights."""
        return weights.nbytes(self._model)

    def to(self, device: torch.device) -> None:
        """Move the weights."""
        self._model.to(device)

    def tokenize(self, text: str) -> list[int]:
        """Token ids without start and end, however many."""
        return self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids

    @torch.inference_mode()
    def encode(
        self,
        chunks: Sequence[Sequence[int]],
        clip_skip: int = 1,
        vectors: Tensor | None = None,
    ) -> Tensor:
        """Embeddings [N, length, D] float32; see ``families.base.TextEncoder``."""
        if clip_skip > self._layers:
            raise InvalidRequest(
                f"Clip skip is {clip_skip}, but this checkpoint's text encoder has "
                f"{self._layers} layers.",
                field="clip_skip",
            )
        parts: list[Tensor] = []
        for i in range(0, len(chunks), _CHUNKS_AT_ONCE):
            some = chunks[i : i + _CHUNKS_AT_ONCE]
            ids = torch.tensor(some, dtype=torch.long, device=self._model.device)
            with self._placed(ids, vectors):
                parts.append(self._encode(ids.clamp(min=0), clip_skip))
        return torch.cat(parts)

    @contextmanager
    def _placed(self, ids: Tensor, vectors: Tensor | None) -> Iterator[None]:
        """Within the block ``vectors`` stand where ``ids`` are negative."""
        if vectors is None:
            yield
            return

        def place(_module: nn.Module, _inputs: Any, embeddings: Tensor) -> Tensor:
            own = vectors.to(embeddings.device, embeddings.dtype)[(-1 - ids).clamp(min=0)]
            return torch.where((ids < 0)[..., None], own, embeddings)

        handle = self._model.get_input_embeddings().register_forward_hook(place)
        try:
            yield
        finally:
            handle.remove()

    def _encode(self, ids: Tensor, clip_skip: int) -> Tensor:
        if clip_skip == 1:
            return self._model(ids).last_hidden_state.float()
        hidden = self._model(ids, output_hidden_states=True).hidden_states[-clip_skip]
        return self._model.final_layer_norm(hidden).float()


def empty_model(config: Mapping[str, Any]) -> CLIPTextModel:
    """The module for a ``text_encoder/config.json``, without memory."""
    return weights.empty(lambda: CLIPTextModel(CLIPTextConfig.from_dict(dict(config))), TEXT)


def load(
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    tokenizer: CLIPTokenizer,
    dtype: torch.dtype,
    device: torch.device,
) -> ClipText:
    """The encoder with its weights, under any of the names that releases gave them."""
    model = empty_model(config)
    if len(tokenizer) > model.config.vocab_size:
        raise ModelError(
            f"The tokenizer knows {len(tokenizer)} tokens, but the text encoder only "
            f"{model.config.vocab_size}."
        )
    weights.fill(model, plain_names(tensors), TEXT, dtype=dtype, device=device)
    positions = torch.arange(model.config.max_position_embeddings, device=device)
    model.embeddings.register_buffer("position_ids", positions[None], persistent=False)
    return ClipText(model, tokenizer)


def plain_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by the names of today's transformers, which dropped the prefix ``text_model.``."""
    plain = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}
    return {name: tensor for name, tensor in plain.items() if name not in _IGNORED}


def folder_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer of a model folder.

    transformers makes an empty one up where files are missing, so what it loaded is looked at.
    """
    if not (folder / "tokenizer.json").is_file():
        for name in ("vocab.json", "merges.txt"):
            if not (folder / name).is_file():
                raise ModelError(f"The model folder has no file {folder.name}/{name}.")
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        text = " ".join(str(error).split())[:200]
        raise ModelError(f"The tokenizer of the model folder cannot be read: {text}.") from error
    if len(tokenizer) < 256 or not tokenizer("a circle", add_special_tokens=False).input_ids:
        raise ModelError("The tokenizer of the model folder has no vocabulary.")
    if not 2 < tokenizer.model_max_length <= 1024:
        tokenizer.model_max_length = LENGTH
    return tokenizer


@cache
def clip_tokenizer() -> CLIPTokenizer:
    """CLIP's own tokenizer, from the vocabulary file that the package open_clip carries."""
    vocabulary, merges = clip_vocabulary()
    build: Any = CLIPTokenizer
    tokenizer = build(vocab=vocabulary, merges=merges, model_max_length=LENGTH)
    if len(tokenizer) != VOCABULARY:
        raise SetupError(f"CLIP's vocabulary has {len(tokenizer)} tokens instead of {VOCABULARY}.")
    return tokenizer
