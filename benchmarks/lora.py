"""A UNet's pass with a LoRA ÷ without: merged into copies, as Easel does it, and added beside.

A LoRA of rank 16 for every attention and feed-forward layer of the starter is applied in both
ways, one after another in every round; times are the process's own. What making the copies takes,
and their size, is told as well.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.common import STARTER, report
from webui.catalog import Catalog
from webui.core.models import AdapterRef
from webui.engine.adapters import Applied, Plan
from webui.engine.devices import Machine, set_threads
from webui.engine.models.manager import ModelManager

RANK = 16


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--size", type=int, default=16, help="side of the latents")
    args = parser.parse_args()
    set_threads()
    catalog = Catalog(STARTER.parent.parent)
    machine = Machine(torch.device("cpu"), torch.float32)
    with (
        ModelManager(machine).lease(catalog.resolve(STARTER.name), "denoiser") as leased,
        tempfile.TemporaryDirectory() as folder,
    ):
        report("lora", measure(leased.denoiser, Path(folder) / "lora.safetensors", args))


@torch.inference_mode()
def measure(denoiser: Any, file: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of a pass in each way, what the copies take, and the largest difference."""
    network = denoiser.network
    lora = write(network, file)
    ref = AdapterRef("lora", "lora", str(file), "")
    begun = time.process_time()
    plan = Plan(network, (Applied("", 1.0, 0, ref),), "denoiser")
    patches = plan.build()
    built = time.process_time() - begun
    x = torch.randn(2, 4, args.size, args.size)
    cond = torch.randn(2, 77, network.config.cross_attention_dim)

    def run() -> Tensor:
        # Another tensor each time: layers keep what they made of the text they saw last.
        return denoiser(x, torch.tensor([1.0, 1.0]), cond.clone())

    slots = patches.slots(network)
    ways = {"without": run, "merged": partial(_within, slots.worn, run),
            "beside": partial(_within, partial(beside, network, lora), run)}  # fmt: skip
    results = {name: act() for name, act in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.rounds):
        for name, act in ways.items():
            begun = time.process_time()
            act()
            times[name].append(1000 * (time.process_time() - begun))
    median = {name: statistics.median(found) for name, found in times.items()}
    return {
        "milliseconds": median,
        "merged_ratio": median["merged"] / median["without"],
        "beside_ratio": median["beside"] / median["without"],
        "build_milliseconds": 1000 * built,
        "copies_bytes": patches.nbytes,
        "lora_bytes": file.stat().st_size,
        "network_bytes": denoiser.nbytes,
        "largest_difference": (results["merged"] - results["beside"]).abs().max().item(),
    }


def write(network: nn.Module, file: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """A LoRA's up and down of each layer of the transformer blocks, also as a file."""
    lora: dict[str, tuple[Tensor, Tensor]] = {}
    for path, module in network.named_modules():
        if isinstance(module, nn.Linear) and "transformer_blocks" in path:
            up = torch.randn(module.out_features, RANK) * 0.02
            lora[path] = (up, torch.randn(RANK, module.in_features) * 0.02)
    tensors: dict[str, Tensor] = {}
    for path, (up, down) in lora.items():
        name = "lora_unet_" + path.replace(".", "_")
        tensors |= {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}
    save_file(tensors, file)
    return lora


@contextmanager
def beside(network: nn.Module, lora: dict[str, tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Within the block layers add B(A x) to what they compute."""

    def hook(up: Tensor, down: Tensor, _module: nn.Module, inputs: Any, out: Tensor) -> Tensor:
        return out + (inputs[0] @ down.T) @ up.T

    hooks = [
        network.get_submodule(path).register_forward_hook(partial(hook, *parts))
        for path, parts in lora.items()
    ]
    try:
        yield
    finally:
        for one in hooks:
            one.remove()


def _within(context: Callable[[], Any], act: Callable[[], Tensor]) -> Tensor:
    with context():
        return act()


if __name__ == "__main__":
    main()
