"""What CompVis' original code calls the layers of a UNet, by diffusers' names.

Some trainers name the layers they change so. The original numbers its blocks through: each residual
block, with its attention, and each change of size on the way down is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESIDUAL = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_SAMPLERS = {"downsamplers": "op", "upsamplers": "conv"}
_BLOCK = re.compile(
    r"((?:down|up)_blocks\.\d+|mid_block)\.(resnets|attentions|(?:down|up)samplers)\.(\d+)\.(.+)"
)


def original_names(paths: Iterable[str]) -> Mapping[str, str]:
    """The original name of each layer; those that have none are left out."""
    paths = list(paths)
    found = {path: _ENDS[path] for path in paths if path in _ENDS}
    matches = [match for path in paths if (match := _BLOCK.fullmatch(path))]
    places = _places({(match[1], match[2], int(match[3])) for match in matches})
    for match in matches:
        block, kind, place, rest = match.groups()
        if kind == "resnets":
            rest = _RESIDUAL.get(rest, rest)
        found[match[0]] = f"{places[block, kind, int(place)]}.{_SAMPLERS.get(kind, rest)}"
    return found


def _places(parts: set[tuple[str, str, int]]) -> dict[tuple[str, str, int], str]:
    """The original block of each part (block, kind, number)."""
    found = {
        ("mid_block", kind, place): f"middle_block.{2 * place if kind == 'resnets' else 1}"
        for block, kind, place in parts
        if block == "mid_block"
    }
    for side, name, first in (("down", "input_blocks", 1), ("up", "output_blocks", 0)):
        number = first
        blocks = {block for block, _, _ in parts if block.startswith(side)}
        for block in sorted(blocks, key=lambda b: int(b.rpartition(".")[2])):
            residuals = sorted(p for b, kind, p in parts if b == block and kind == "resnets")
            for place in residuals:
                found[block, "resnets", place] = f"{name}.{number}.0"
                found[block, "attentions", place] = f"{name}.{number}.1"
                number += 1
            if side == "down":
                found[block, "downsamplers", 0] = f"{name}.{number}.0"
                number += (block, "downsamplers", 0) in parts
            else:
                attends = (block, "attentions", 0) in parts
                found[block, "upsamplers", 0] = f"{name}.{number - 1}.{2 if attends else 1}"
    return found
