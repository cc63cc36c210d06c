"""A pickled upscaling model as a safetensors file beside it, for ``webui convert-upscaler``.

Most upscaling models are published as ``.pth``. Such a file is read here by torch's restricted
reader (``weights_only``), which takes numbers and refuses everything that could run code.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from webui.core.errors import Conflict, ModelError, StorageError, UnsafeFile
from webui.engine.families.upscaler import described

_INNER = ("params_ema", "params-ema", "params", "model_state_dict", "state_dict", "model", "net")
"""Under which names trainers put the weights, the averaged ones first."""


def convert(path: Path) -> Path:
    """Write ``path`` (.pth, .pt, .ckpt, .bin) as safetensors; where the new file lies.

    ``UnsafeFile`` when it holds more than numbers, ``ModelError`` when it is no upscaler,
    ``Conflict`` when the new file is there already, ``StorageError`` when it cannot be written.
    """
    made = path.with_suffix(".safetensors")
    if made.exists():
        raise Conflict(f"{made.name!r} is there already.")
    tensors = _tensors(_read(path))
    described(dict(tensors), path.stem)
    try:
        save_file(tensors, made, {"format": "pt"})
    except OSError as error:
        raise StorageError(f"{made.name!r} cannot be written: {error.strerror}.") from None
    return made


def _read(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{path.name!r} cannot be read ({error.strerror}).") from None
    except pickle.UnpicklingError:
        raise UnsafeFile(
            f"{path.name!r} holds more than numbers, or is damaged; it is refused."
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError):
        raise ModelError(f"{path.name!r} is damaged or no PyTorch file.") from None


def _tensors(found: Any) -> dict[str, Tensor]:
    """The weights, out of what trainers put around them."""
    for name in _INNER:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
            break
    if not isinstance(found, Mapping):
        return {}
    return {str(k): v.clone().contiguous() for k, v in found.items() if isinstance(v, Tensor)}
