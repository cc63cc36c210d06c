"""Weights from safetensors files into modules, with every mismatch said in one sentence."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from webui.core.errors import ModelError, UnsafeFile

M = TypeVar("M", bound=nn.Module)
Shapes = Mapping[str, tuple[int, ...]]

_MAX_HEADER = 100_000_000
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes in a safetensors file, from its header alone."""
    header = _header(path)
    header.pop("__metadata__", None)
    try:
        shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
        last = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (KeyError, TypeError, IndexError):
        raise _broken(path, "its header is not one of a safetensors file") from None
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
    missing = 8 + length + last - path.stat().st_size
    if missing > 0:
        raise _broken(path, f"it is {missing} bytes shorter than it says; download it again")
    return shapes


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file; memory-mapped, so nothing is read before it is used.

    Only for as long as a model is being loaded: a mapped file that is written to changes the
    tensors, one that is cut short kills the process.
    """
    read_shapes(path)
    try:
        return load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError) as error:
        raise _broken(path, " ".join(str(error).split())[:200]) from None


def find_weights(folder: Path, stem: str) -> Path:
    """The safetensors file ``stem`` of a diffusers folder (or its fp16 variant)."""
    for name in (f"{stem}.safetensors", f"{stem}.fp16.safetensors"):
        if (folder / name).is_file():
            return folder / name
    pickles = [p.name for p in folder.glob("*") if p.suffix in _PICKLES]
    if pickles:
        raise UnsafeFile(
            f"{folder.name}/{pickles[0]} is a pickle, which can run code when it is read; "
            "Easel reads .safetensors files only."
        )
    raise ModelError(f"The model folder has no file {folder.name}/{stem}.safetensors.")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a model folder."""
    label = f"{path.parent.name}/{path.name}"
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ModelError(f"The model folder has no file {label}.") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{label} cannot be read: {str(error)[:200]}.") from None
    if not isinstance(value, dict):
        raise ModelError(f"{label} is not a JSON object.")
    return value


def empty(create: Callable[[], M], what: str) -> M:
    """A module without memory; ``what`` names it in the sentence when its configuration is bad."""
    try:
        with torch.device("meta"):
            return create()
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        text = " ".join(str(error).split())[:200]
        raise ModelError(f"The configuration of the {what} is not usable: {text}.") from error


def fill(
    module: M,
    tensors: Mapping[str, Tensor],
    what: str,
    *,
    dtype: torch.dtype,
    device: torch.device,
    layout: torch.memory_format = torch.contiguous_format,
) -> M:
    """Put ``tensors`` into a module made by :func:`empty`; names and shapes must match exactly.

    Copies them, so that the file they were mapped from may be replaced while the module is used.
    """
    check_match({k: tuple(v.shape) for k, v in module.state_dict().items()}, tensors, what)
    module.load_state_dict(
        {name: tensor.to(device, dtype, copy=True) for name, tensor in tensors.items()},
        assign=True,
    )
    module.eval().requires_grad_(False)
    nn.Module.to(module, memory_format=layout)  # past diffusers' own, which warns
    return module


def check_match(expected: Shapes, tensors: Mapping[str, Tensor], what: str) -> None:
    """``ModelError`` unless ``tensors`` has exactly the expected names and shapes."""
    missing = [name for name in expected if name not in tensors]
    if missing:
        raise ModelError(
            f"The checkpoint's {what} is incomplete: {len(missing)} of {len(expected)} weights "
            f"are missing, such as {missing[0]}."
        )
    unknown = [name for name in tensors if name not in expected]
    if unknown:
        raise ModelError(
            f"The checkpoint's {what} is of another kind: it has {len(unknown)} weights "
            f"that Stable Diffusion 1.x does not have, such as {unknown[0][:100]}."
        )
    for name, shape in expected.items():
        if tuple(tensors[name].shape) != shape:
            raise ModelError(
                f"The checkpoint's {what} has a weight of the wrong shape: {name} is "
                f"{list(tensors[name].shape)} instead of {list(shape)}."
            )


def count(shapes: Shapes) -> int:
    """How many numbers tensors of these shapes hold."""
    return sum(math.prod(shape) for shape in shapes.values())


def nbytes(module: nn.Module) -> int:
    """Bytes of a module's parameters and buffers."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(t.numel() * t.element_size() for t in tensors)


def _header(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            body = file.read(length) if 2 <= length <= _MAX_HEADER else b""
    except OSError as error:
        raise _broken(path, (error.strerror or "it cannot be opened").lower()) from None
    if body[:1] == b"{" and len(body) == length:
        try:
            header = json.loads(body)
        except ValueError:
            header = None
        if isinstance(header, dict):
            return header
    if start.startswith((b"PK", b"\x80")):
        raise UnsafeFile(
            f"{path.name} is a pickle under another name, which can run code when it is read; "
            "Easel reads .safetensors files only."
        )
    raise _broken(path, "its header is not one of a safetensors file, or the file is cut short")


def _broken(path: Path, why: str) -> ModelError:
    return ModelError(f"{path.name} cannot be read: {why}.")
