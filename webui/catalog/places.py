"""In which folders a kind of model lies: ours, and those of an installation of another program."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from webui.core.paths import at_home

KINDS: Mapping[str, tuple[str, ...]] = {
    "checkpoints": ("checkpoints", "Stable-diffusion"),
    "vae": ("vae", "VAE"),
    "lora": ("lora", "loras", "Lora", "LyCORIS"),
    "controlnet": ("controlnet", "ControlNet"),
    "embeddings": ("embeddings",),
    "upscalers": ("upscalers", "upscale_models", "ESRGAN", "RealESRGAN", "SwinIR", "DAT"),
}
"""What the folder of a kind is called below ``models``: here, in ComfyUI, in A1111 and Forge."""
EXTRA = "extra_model_paths.yaml"
MAX_EXTRA_BYTES = 100_000


def places(models_dir: Path, installation: str, kind: str) -> tuple[Path, ...]:
    """The folders that exist for ``kind`` (a key of ``KINDS``), our own first, each once.

    ``installation`` is the folder of an A1111, Forge or ComfyUI; "" for none. One that is not there
    (a disk that is not plugged in, say) has no folders.
    """
    wanted = [models_dir / name for name in KINDS[kind]]
    if installation:
        root = Path(installation)
        wanted += [root / "models" / name for name in KINDS[kind]]
        wanted += [root / name for name in KINDS[kind] if kind == "embeddings"]
        wanted += _extra(root, kind)
    return tuple(_distinct(wanted))


def _distinct(folders: Iterable[Path]) -> Iterator[Path]:
    """Those that exist; names that differ in case are one folder on some systems."""
    seen: set[tuple[int, int]] = set()
    for folder in folders:
        try:
            status = folder.stat()
        except (OSError, ValueError):
            continue
        place = (status.st_dev, status.st_ino)
        if folder.is_dir() and place not in seen:
            seen.add(place)
            yield folder


def _extra(root: Path, kind: str) -> Iterator[Path]:
    """The folders that a ComfyUI's ``extra_model_paths.yaml`` names for ``kind``."""
    for section in _read(root / EXTRA).values():
        if not isinstance(section, dict):
            continue
        base = root / at_home(str(section.get("base_path") or ""))
        for name in KINDS[kind]:
            value = section.get(name)
            lines = value.splitlines() if isinstance(value, str) else ()
            yield from (base / line.strip() for line in lines if line.strip())


def _read(path: Path) -> Mapping[str, Any]:
    """A YAML file's mapping; nothing where there is none, or nothing that reads YAML."""
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        return {}
    try:
        if path.stat().st_size > MAX_EXTRA_BYTES:
            return {}
        found = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}
