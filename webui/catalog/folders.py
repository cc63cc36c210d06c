"""Which model a diffusers folder is, told from its JSON files and the headers of its weights."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from webui.catalog.header import read_header
from webui.catalog.identify import Identity, check_unet, refused
from webui.core.errors import ModelError, UnsafeFile

INDEX = "model_index.json"
MAX_JSON_BYTES = 1_000_000
WEIGHTS = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}
_SCHEDULERS = (
    "DDIM", "DDPM", "DEISMultistep", "DPMSolverMultistep", "DPMSolverSDE", "DPMSolverSinglestep",
    "EulerAncestralDiscrete", "EulerDiscrete", "HeunDiscrete", "KDPM2AncestralDiscrete",
    "KDPM2Discrete", "LCM", "LMSDiscrete", "PNDM", "TCD", "UniPCMultistep",
)  # fmt: skip
_ALLOWED: dict[str, set[tuple[str, str]]] = {
    "unet": {("diffusers", "UNet2DConditionModel")},
    "vae": {("diffusers", "AutoencoderKL")},
    "text_encoder": {("transformers", "CLIPTextModel")},
    "tokenizer": {("transformers", "CLIPTokenizer"), ("transformers", "CLIPTokenizerFast")},
    "scheduler": {("diffusers", f"{name}Scheduler") for name in _SCHEDULERS},
    "feature_extractor": {
        ("transformers", "CLIPImageProcessor"),
        ("transformers", "CLIPImageProcessorFast"),
        ("transformers", "CLIPFeatureExtractor"),
    },
    "safety_checker": {("stable_diffusion", "StableDiffusionSafetyChecker")},
    "image_encoder": {("transformers", "CLIPVisionModelWithProjection")},
}
_PIPELINES = {
    "StableDiffusionXLPipeline": "a Stable Diffusion XL checkpoint",
    "StableDiffusionXLImg2ImgPipeline": "a Stable Diffusion XL refiner checkpoint",
    "StableDiffusion3Pipeline": "a Stable Diffusion 3 checkpoint",
    "StableDiffusionInpaintPipeline": "an inpainting checkpoint",
    "StableDiffusionXLInpaintPipeline": "a Stable Diffusion XL inpainting checkpoint",
    "FluxPipeline": "a Flux checkpoint",
}


def relevant_files(folder: Path) -> list[Path]:
    """The files a folder is identified from, in a fixed order; those that exist."""
    wanted = [folder / INDEX, folder / "scheduler" / "scheduler_config.json"]
    for part in WEIGHTS:
        wanted += [folder / part / "config.json", *weight_files(folder, part)]
    return [path for path in wanted if path.is_file()]


def weight_files(folder: Path, part: str) -> list[Path]:
    """A part's safetensors weights, the plain one before variants such as ``.fp16``."""
    pattern = re.compile(re.escape(WEIGHTS[part]) + r"(\.[\w-]+)?\.safetensors")
    try:
        found = [p for p in (folder / part).iterdir() if pattern.fullmatch(p.name)]
    except OSError:
        return []
    return sorted(found, key=lambda p: (len(p.name), p.name))


def identify_folder(folder: Path, name: str) -> Identity:
    """The identity of a diffusers folder.

    ``ModelError`` says what is wrong or not supported, ``UnsafeFile`` that it asks for classes
    outside the allow-list or has pickled weights only.
    """
    index = _read_json(folder / INDEX, name)
    _check_pipeline(index, name)
    _check_classes(index, name)
    unet = _part(folder, "unet", "UNet2DConditionModel", name)
    vae = _part(folder, "vae", "AutoencoderKL", name)
    _part(folder, "text_encoder", None, name)
    context = _number(unet.get("cross_attention_dim"), 768)
    check_unet(name, in_channels=_number(unet.get("in_channels"), 4), context=context)
    scheduler = _read_json(folder / "scheduler" / "scheduler_config.json", name)
    prediction = scheduler.get("prediction_type", "epsilon")
    if prediction not in {"epsilon", "v_prediction"}:
        raise ModelError(
            f"{name!r} predicts {_short(prediction)}; this version draws with epsilon and "
            "v_prediction only."
        )
    return Identity("sd15", prediction, _native_size(unet, vae), context)


def digest_of(folder: Path, name: str) -> str:
    """A content key from the JSON files and the headers of the weights."""
    total = hashlib.sha256()
    for path in relevant_files(folder):
        if path.suffix == ".json":
            content = hashlib.sha256(_read_bytes(path, name)).hexdigest()
        else:
            content = read_header(path, f"{name}/{path.parent.name}/{path.name}").digest
        total.update(f"{path.relative_to(folder).as_posix()}\0{content}\0".encode())
    return total.hexdigest()


def _check_pipeline(index: dict[str, Any], name: str) -> None:
    pipeline = index.get("_class_name")
    if pipeline == "StableDiffusionPipeline":
        return
    known = _PIPELINES.get(pipeline) if isinstance(pipeline, str) else None
    raise refused(name, known or f"made for {_short(pipeline)}")


def _check_classes(index: dict[str, Any], name: str) -> None:
    for part, value in index.items():
        if not isinstance(value, list) or value == [None, None]:
            continue
        if tuple(map(str, value)) not in _ALLOWED.get(part, set()):
            raise UnsafeFile(
                f"{name!r} asks for {_short(value)} as its {_short(part)}, which is not among the "
                "classes this version loads."
            )


def _part(folder: Path, part: str, kind: str | None, name: str) -> dict[str, Any]:
    """A part's configuration, once its weights are known to be there and whole."""
    config = _read_json(folder / part / "config.json", name)
    if "auto_map" in config:
        raise UnsafeFile(f"{name!r} brings code of its own in {part}/config.json; it is refused.")
    if kind is not None and config.get("_class_name", kind) != kind:
        raise UnsafeFile(f"{name!r} asks for {_short(config['_class_name'])} as its {part}.")
    weights = weight_files(folder, part)
    if not weights:
        if any((folder / part).glob("*.bin")):
            raise UnsafeFile(
                f"{name!r} has pickled {part} weights (.bin) only, which can run code when they "
                "are read; get its .safetensors version."
            )
        raise ModelError(f"{name!r} lacks {part}/{WEIGHTS[part]}.safetensors.")
    for path in weights:
        read_header(path, f"{name}/{part}/{path.name}")
    return config


def _native_size(unet: dict[str, Any], vae: dict[str, Any]) -> int:
    side = unet.get("sample_size")
    if isinstance(side, list) and side:
        side = max((s for s in side if type(s) is int), default=None)
    channels = vae.get("block_out_channels")
    factor = 2 ** (min(len(channels), 8) - 1) if isinstance(channels, list) and channels else 8
    size = _number(side, 0) * factor
    return size if 16 <= size <= 4096 else 512


def _read_json(path: Path, name: str) -> dict[str, Any]:
    where = f"{path.parent.name}/{path.name}" if path.name != INDEX else INDEX
    try:
        data = json.loads(_read_bytes(path, name))
    except (ValueError, RecursionError):
        raise ModelError(f"{name!r} is damaged: {where} is not valid JSON.") from None
    if not isinstance(data, dict):
        raise ModelError(f"{name!r} is damaged: {where} is not a JSON object.")
    return data


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        if not path.is_file():
            raise ModelError(f"{name!r} lacks {path.parent.name}/{path.name}.")
        with path.open("rb") as file:
            raw = file.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise ModelError(
            f"{name!r}: {path.parent.name}/{path.name} cannot be read ({error.strerror})."
        ) from None
    if len(raw) > MAX_JSON_BYTES:
        raise ModelError(f"{name!r}: {path.parent.name}/{path.name} is too large to be right.")
    return raw


def _number(value: Any, default: int) -> int:
    return value if type(value) is int else default


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
