"""Which model a single safetensors file is, told from names and shapes of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from webui.catalog.header import Header
from webui.core.errors import ModelError
from webui.core.models import Prediction

ONLY = "this version draws with Stable Diffusion 1.x only"
_UNET = "model.diffusion_model."
_CONV_IN = _UNET + "input_blocks.0.0.weight"
_CONTEXT = "attn2.to_k.weight"
_LORA_ENDS = (
    ".lora_down.weight", ".lora_up.weight", ".lora_A.weight", ".lora_B.weight", ".lora.down.weight",
    ".hada_w1_a", ".lokr_w1", ".lokr_w2", ".dora_scale", ".oft_blocks",
)  # fmt: skip

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a checkpoint is: the engine's family, what its UNet predicts, its side in pixels, and
    the width of the token embeddings it reads."""

    family: str
    prediction: Prediction
    native_size: int
    context: int = 768


def identify_file(header: Header, name: str) -> Identity:
    """The identity of a single-file checkpoint; ``ModelError`` says what else the file is."""
    shapes = header.shapes
    if _CONV_IN not in shapes:
        raise ModelError(f"{name!r} {_other(shapes)}")
    context = _context(shapes)
    check_unet(name, in_channels=_size(shapes[_CONV_IN], 1), context=context)
    if _starts(shapes, "conditioner.embedders."):
        raise refused(name, "a Stable Diffusion XL checkpoint")
    if _starts(shapes, "cond_stage_model.model."):
        raise refused(name, "a Stable Diffusion 2.x checkpoint")
    if not _starts(shapes, "cond_stage_model.transformer."):
        raise ModelError(f"{name!r} lacks its text encoder; get a complete checkpoint.")
    if not _starts(shapes, "first_stage_model."):
        raise ModelError(f"{name!r} lacks its VAE; get a complete checkpoint.")
    return Identity("sd15", _prediction(header), 512, context)


def check_unet(name: str, *, in_channels: int, context: int) -> None:
    """Refuse a UNet that is no text-to-image Stable Diffusion 1.x, by its input channels (4) and
    the width of its text conditioning (768 in released models)."""
    kinds = {1024: "a Stable Diffusion 2.x", 2048: "a Stable Diffusion XL"}
    kinds[1280] = "a Stable Diffusion XL refiner"
    if context in kinds:
        raise refused(name, f"{kinds[context]} checkpoint")
    uses = {9: "an inpainting", 8: "an image-editing (pix2pix)", 5: "a depth-to-image"}
    if in_channels in uses:
        raise ModelError(
            f"{name!r} is {uses[in_channels]} checkpoint, which cannot draw from a prompt alone."
        )
    if in_channels != 4:
        raise ModelError(f"{name!r} has a UNet with {in_channels} input channels; {ONLY}.")


def refused(name: str, what: str) -> ModelError:
    """The error for a model that is recognised and not supported."""
    return ModelError(f"{name!r} is {what}; {ONLY}.")


def elsewhere(shapes: Shapes, folder: str) -> str | None:
    """The end of the sentence for a file in ``models/folder`` that is of another folder's kind.

    None for one that is not known to be.
    """
    home = next((home for fits, home, _ in _KINDS if fits(shapes)), folder)
    if home == folder:
        return None
    return f"is {_CALLED[home]}, not {_CALLED[folder]}; move it to models/{home}."


def _prediction(header: Header) -> Prediction:
    said = {
        header.metadata.get(key, "").casefold()
        for key in ("modelspec.predict_key", "modelspec.prediction_type", "ss_v_parameterization")
    }
    is_v = "v_pred" in header.shapes or said & {"v", "v_prediction", "true"}
    return "v_prediction" if is_v else "epsilon"


def _other(shapes: Shapes) -> str:
    """The end of the sentence for a file that holds no UNet of ours."""
    found = elsewhere(shapes, "checkpoints")
    if found is not None:
        return found
    for fits, what in _OTHERS:
        if fits(shapes):
            return what
    return f"is no model this version knows; {ONLY}."


def _starts(shapes: Shapes, *prefixes: str) -> bool:
    return any(key.startswith(prefixes) for key in shapes)


def _ends(shapes: Shapes, *suffixes: str) -> bool:
    return any(key.endswith(suffixes) for key in shapes)


def _holds(shapes: Shapes, part: str) -> bool:
    return any(part in key for key in shapes)


def _context(shapes: Shapes) -> int:
    keys = (k for k in shapes if k.startswith(_UNET) and k.endswith(_CONTEXT))
    return next((_size(shapes[k], 1) for k in keys), 0)


def _size(shape: tuple[int, ...], axis: int) -> int:
    return shape[axis] if axis < len(shape) else 0


_KINDS: tuple[tuple[Callable[[Shapes], bool], str, str], ...] = (
    (lambda s: _ends(s, *_LORA_ENDS), "lora", "a LoRA"),
    (
        lambda s: _starts(s, "control_model.", "controlnet_") or _holds(s, "input_hint_block."),
        "controlnet",
        "a ControlNet",
    ),
    (
        lambda s: _starts(s, _UNET) or _holds(s, "joint_blocks.") or _holds(s, "double_blocks."),
        "checkpoints",
        "a checkpoint",
    ),
    (
        lambda s: _starts(s, "decoder.conv_in", "first_stage_model.decoder.conv_in"),
        "vae",
        "a VAE",
    ),
    (
        lambda s: len(s) <= 4 and any(k in s for k in ("emb_params", "clip_l", "clip_g")),
        "embeddings",
        "an embedding",
    ),
    (
        lambda s: _starts(s, "conv_first.", "model.0.weight", "model.1.sub."),
        "upscalers",
        "an upscaler",
    ),
)
"""What tells a kind of file, the folder below ``models`` where it belongs, and what it is."""
_CALLED = {folder: what for _, folder, what in _KINDS}

_OTHERS: tuple[tuple[Callable[[Shapes], bool], str], ...] = (
    (lambda s: _holds(s, "joint_blocks."), f"is a Stable Diffusion 3 checkpoint; {ONLY}."),
    (lambda s: _holds(s, "double_blocks."), f"is a Flux checkpoint; {ONLY}."),
    (lambda s: _starts(s, _UNET), f"is a checkpoint of another kind; {ONLY}."),
    (
        lambda s: _starts(s, "down_blocks.", "text_model."),
        "is one part of a diffusers model; put its whole folder, with model_index.json, here.",
    ),
)
