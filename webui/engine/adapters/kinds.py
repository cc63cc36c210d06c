"""What each kind of LoRA file adds to a weight: ΔW of its parts, as LyCORIS and A1111 define it.

Everything is computed in float32. Shapes are checked before anything is multiplied, so that a file
cannot ask for more memory than the weight it changes takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Parts = Mapping[str, Tensor]

Change = Callable[[Parts, Tensor, int], Tensor]
"""ΔW of parts for a weight W [out, …] float32; so many ranks of a low-rank one count (0: all)."""


class Misfit(Exception):
    """Why parts cannot be applied to a weight, as the end of a sentence."""


def change(parts: Parts, weight: Tensor, dyn: int = 0) -> Tensor:
    """ΔW at weight 1, in the shape of ``weight`` (float32); ``Misfit`` if it cannot be.

    With a magnitude (DoRA, Liu et al. 2024, https://arxiv.org/abs/2402.09353) it is what brings W
    to m · (W + ΔW) / ‖W + ΔW‖, the norm taken over all but one axis.
    """
    if _is_ia3(parts):
        return _ia3(parts, weight)
    if "diff" in parts:
        return _shaped(parts["diff"], weight) * _scale(parts, None)
    for needed, compute, size_part in _LOW_RANK:
        if all(any(name in parts for name in either) for either in needed):
            rank = _rank(parts, size_part)
            delta = _shaped(compute(parts, weight, dyn), weight) * _scale(parts, rank)
            return _with_magnitude(parts, weight, delta)
    raise Misfit(f"this version does not know how to apply {', '.join(sorted(parts))}")


def bias_change(parts: Parts, bias: Tensor | None, rows: int) -> Tensor | None:
    """What is added to a layer's bias [rows], None if nothing is."""
    found = parts.get("diff_b")
    if found is None:
        return None
    return _shaped(found, bias if bias is not None else torch.empty(rows))


def changes_weight(parts: Parts) -> bool:
    """Whether there is anything beside a change of the bias."""
    return any(name not in ("diff_b", "alpha", "scale") for name in parts)


def _lora(parts: Parts, weight: Tensor, dyn: int) -> Tensor:
    up, down = parts["up"].flatten(1), parts["down"].flatten(1)
    mid = parts.get("mid")
    if mid is not None:  # LoCon's decomposition of a convolution, with its kernel in the middle
        return _tucker(mid, up, down, weight)
    _check_product(up, down, weight)
    return up[:, : dyn or None] @ down[: dyn or None]


def _hada(parts: Parts, weight: Tensor, _dyn: int) -> Tensor:
    """(W₁ₐ W₁ᵦ) ∘ (W₂ₐ W₂ᵦ), Hyeon-Woo et al. 2021, https://arxiv.org/abs/2108.06098."""

    def factor(number: int) -> Tensor:
        a, b = parts[f"hada_w{number}_a"], parts[f"hada_w{number}_b"]
        core = parts.get(f"hada_t{number}")
        if core is not None:
            return _tucker(core, a.flatten(1).T, b.flatten(1), weight)
        _check_product(a.flatten(1), b.flatten(1), weight)
        return (a.flatten(1) @ b.flatten(1)).reshape(weight.shape)

    return factor(1) * factor(2)


def _lokr(parts: Parts, weight: Tensor, _dyn: int) -> Tensor:
    """W₁ ⊗ W₂, each whole or of low rank; Yeh et al. 2023, https://arxiv.org/abs/2309.14859."""
    first, second = _lokr_factor(parts, 1, weight), _lokr_factor(parts, 2, weight)
    rows, columns = first.shape[0] * second.shape[0], first[0].numel() * second[0].numel()
    if (rows, columns) != _flat(weight):
        raise Misfit(f"{_text(first)} and {_text(second)} do not make {_text(weight)}")
    while first.ndim < second.ndim:
        first = first[..., None]
    return torch.kron(first, second.contiguous())


def _lokr_factor(parts: Parts, number: int, weight: Tensor) -> Tensor:
    name = f"lokr_w{number}"
    whole = parts.get(name)
    if whole is not None:
        if whole.ndim < 2:
            raise Misfit(f"{name} is {_text(whole)}")
        return whole
    a, b, core = parts[f"{name}_a"], parts[f"{name}_b"], parts.get("lokr_t2")
    if core is not None and number == 2:
        most = weight.numel()
        if a.shape[-1] * b.flatten(1).shape[1] * math.prod(core.shape[2:]) > most:
            raise Misfit(f"{name}_a is {_text(a)}")
        return _contract(core, a.flatten(1).T, b.flatten(1))
    a, second = a.flatten(1), b.flatten(1)
    if a.shape[1] != second.shape[0] or a.shape[0] * second.shape[1] > weight.numel():
        raise Misfit(f"{name}_a is {_text(a)} and {name}_b {_text(b)}")
    return (a @ second).reshape(a.shape[0], *b.shape[1:])


def _ia3(parts: Parts, weight: Tensor) -> Tensor:
    """W scaled along its rows or columns; Liu et al. 2022, https://arxiv.org/abs/2205.05638."""
    factors, axis = parts["ia3"].flatten(), int(bool(parts["on_input"].flatten()[0]))
    if weight.ndim <= axis or len(factors) != weight.shape[axis]:
        raise Misfit(f"its factors are {_text(parts['ia3'])}, the layer is {_text(weight)}")
    shape = [1] * weight.ndim
    shape[axis] = -1
    return weight * factors.reshape(shape)


def _is_ia3(parts: Parts) -> bool:
    return "ia3" in parts and "on_input" in parts


_LOW_RANK: tuple[tuple[tuple[tuple[str, ...], ...], Change, tuple[str, ...]], ...] = (
    ((("up",), ("down",)), _lora, ("down",)),
    ((("hada_w1_a",), ("hada_w1_b",), ("hada_w2_a",), ("hada_w2_b",)), _hada, ("hada_w1_b",)),
    (
        (("lokr_w1", "lokr_w1_a"), ("lokr_w1", "lokr_w1_b"), ("lokr_w2", "lokr_w2_a"),
         ("lokr_w2", "lokr_w2_b")),
        _lokr,
        ("lokr_w2_b", "lokr_w1_b"),
    ),
)  # fmt: skip
"""Parts that a kind needs (one of each group), its ΔW, and the parts whose rows are its rank."""


def _rank(parts: Parts, names: tuple[str, ...]) -> int | None:
    found = next((parts[name] for name in names if name in parts), None)
    return None if found is None else found.shape[0]


def _scale(parts: Parts, rank: int | None) -> float:
    """``scale`` if it is said, else alpha / rank; 1 where there is no rank or no alpha."""
    if "scale" in parts:
        return _single(parts, "scale")
    if rank and "alpha" in parts:
        return _single(parts, "alpha") / rank
    return 1.0


def _single(parts: Parts, name: str) -> float:
    if parts[name].numel() != 1:
        raise Misfit(f"its {name} is {_text(parts[name])} instead of one number")
    return float(parts[name])


def _with_magnitude(parts: Parts, weight: Tensor, delta: Tensor) -> Tensor:
    magnitude = parts.get("magnitude")
    by_rows = magnitude is not None
    if magnitude is None:
        magnitude = parts.get("dora_scale")
        if magnitude is None:
            return delta
        by_rows = magnitude.shape[:1] == weight.shape[:1] and magnitude.numel() == len(weight)
    axis = 0 if by_rows or weight.ndim < 2 else 1
    if magnitude.numel() != weight.shape[axis]:
        raise Misfit(f"its magnitudes are {_text(magnitude)}, the layer is {_text(weight)}")
    shape = [1] * weight.ndim
    shape[axis] = -1
    merged = weight + delta
    others = [i for i in range(weight.ndim) if i != axis]
    norm = merged.square().sum(others, keepdim=True).sqrt()
    smallest = torch.finfo(norm.dtype).tiny
    return merged * (magnitude.reshape(shape) / norm.clamp(min=smallest)) - weight


def _tucker(core: Tensor, up: Tensor, down: Tensor, weight: Tensor) -> Tensor:
    """Σₙₘ coreₙₘ… upᵢₙ downₘⱼ, for a convolution [i, j, …]."""
    kernel = weight.shape[2:]
    fits = core.ndim == weight.ndim and core.shape[2:] == kernel
    fits = fits and weight.shape[:2] == (up.shape[0], down.shape[1])
    if not fits or core.shape[:2] != (up.shape[1], down.shape[0]):
        raise Misfit(f"its core is {_text(core)}, the layer {_text(weight)}")
    return _contract(core, up, down)


def _contract(core: Tensor, up: Tensor, down: Tensor) -> Tensor:
    if core.ndim < 2 or core.shape[:2] != (up.shape[1], down.shape[0]):
        raise Misfit(f"its core is {_text(core)}")
    return torch.einsum("nm...,in,mj->ij...", core, up, down)


def _check_product(left: Tensor, right: Tensor, weight: Tensor) -> None:
    rows, columns = _flat(weight)
    if left.shape[1] != right.shape[0] or (left.shape[0], right.shape[1]) != (rows, columns):
        raise Misfit(f"it is made for another shape than {_text(weight)}")


def _shaped(delta: Tensor, weight: Tensor) -> Tensor:
    if delta.numel() != weight.numel():
        raise Misfit(f"it is {_text(delta)}, the layer {_text(weight)}")
    return delta.reshape(weight.shape)


def _flat(weight: Tensor) -> tuple[int, int]:
    return weight.shape[0], math.prod(weight.shape[1:])


def _text(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "one number"
