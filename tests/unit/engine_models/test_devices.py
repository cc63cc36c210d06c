"""What is computed where, and how precisely."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch

from webui.core.errors import SetupError
from webui.engine.devices import Machine, choose_device, host_memory, physical_cores

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("name", ["tpu", "cuda:99", "cpu:1", ""])
def test_a_device_that_is_not_here_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(SetupError, match=r"cpu.*\."):
        choose_device(name)


def test_auto_always_finds_a_device() -> None:
    assert choose_device("auto").type in ("cpu", "cuda", "xpu", "mps")
    assert choose_device("CPU") == CPU


@pytest.mark.parametrize(("name", "dtype"), [("bf16", torch.bfloat16), ("float32", torch.float32)])
def test_a_forced_dtype_holds_for_small_models_too(name: str, dtype: torch.dtype) -> None:
    machine = Machine.choose("cpu", name)
    assert machine.compute_dtype(1000) is machine.text_dtype(1000) is dtype


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(SetupError, match="int4"):
        Machine.choose("cpu", "int4")


def test_small_models_stay_exact_on_a_cpu() -> None:
    machine = Machine(CPU, torch.bfloat16)
    assert machine.compute_dtype(860_000_000) is torch.bfloat16
    assert machine.compute_dtype(7_500_000) is torch.float32
    assert machine.decode_dtype(84_000_000) is torch.bfloat16
    assert machine.decode_dtype(1_600_000) is torch.float32
    assert machine.text_dtype(123_000_000) is torch.float32


def test_there_is_a_core_to_compute_on() -> None:
    assert physical_cores() >= 1


@pytest.mark.parametrize(
    ("limit", "taken"),
    [
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ],
)
def test_a_containers_limit_holds(tmp_path: Path, limit: str, taken: str) -> None:
    """3 GiB of which 2 are taken, half a GiB of that by files that may be dropped."""
    gib = 1 << 30
    for name, text in (
        (limit, str(3 * gib)),
        (taken, str(2 * gib)),
        (str(Path(limit).with_name("memory.stat")), f"anon 5\ninactive_file {gib // 2}\n"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert host_memory(tmp_path) == gib // 2


def test_without_a_limit_it_is_the_machines_memory(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5\n")
    available = psutil.virtual_memory().available
    assert host_memory(tmp_path) == pytest.approx(available - (1 << 30), abs=1 << 30)
