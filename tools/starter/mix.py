"""A mix of several checkpoints' UNets: `python -m tools.starter.mix A B ... --out FOLDER`.

Where trainings that went on from the same weights each miss in a way of their own, the mean of
their weights misses less than any of them (Wortsman et al. 2022). Parts below 0 go further than
that: away from the weights that a training began with, the way it went (Ilharco et al. 2023).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

UNET = Path("unet") / "diffusion_pytorch_model.safetensors"


def mixed(
    networks: Sequence[dict[str, torch.Tensor]], parts: Sequence[float]
) -> dict[str, torch.Tensor]:
    """Each weight's sum over the networks, so many parts of each, in the first one's precision.

    ValueError where the parts do not make one whole, or the networks are not alike.
    """
    if len(parts) != len(networks) or abs(sum(parts) - 1) > 1e-6:
        raise ValueError(f"{len(networks)} parts that make 1 together are needed, not {parts}")
    shapes = [{name: weight.shape for name, weight in one.items()} for one in networks]
    if any(one != shapes[0] for one in shapes):
        raise ValueError("the checkpoints' UNets are not of the same shape")
    return {
        name: sum(
            (one[name].float() * part for one, part in zip(networks, parts, strict=True)),
            torch.zeros(()),
        ).to(weight.dtype)
        for name, weight in networks[0].items()
    }


def mix(folders: Sequence[Path], parts: Sequence[float], out: Path) -> None:
    """Write so many parts of each checkpoint's UNet into the checkpoint in folder `out`."""
    weights = mixed([load_file(folder / UNET) for folder in folders], parts)
    place = out / UNET
    place.parent.mkdir(parents=True, exist_ok=True)
    written = place.with_suffix(".part")
    save_file(weights, written, {"format": "pt"})
    written.chmod(0o644)
    written.replace(place)


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="checkpoints of the same kind")
    parser.add_argument("--parts", nargs="+", type=float, help="of each, 1 together; else alike")
    parser.add_argument("--out", required=True, type=Path, help="whose UNet becomes the mix")
    options = parser.parse_args(argv)
    count = len(options.folders)
    mix(options.folders, options.parts or [1 / count] * count, options.out)


if __name__ == "__main__":
    main()
