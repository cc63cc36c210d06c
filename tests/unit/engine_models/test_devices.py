"""What is computed where, and how precisely."""

from __future__ import annotations

import pytest
import torch

from webui.core.errors import SetupError
from webui.engine.devices import Machine, choose_device, physical_cores

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
