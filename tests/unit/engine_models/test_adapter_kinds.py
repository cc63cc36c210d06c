"""Each kind of LoRA file, against W + ΔW computed by hand; names, hostile files, and undoing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from tests.fakes import loras, tiny
from webui.core.errors import ModelError
from webui.engine.adapters import Applied, Patches, Plan
from webui.engine.families.unet_names import original_names

LINEAR = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
OUT = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"
CONV = "down_blocks.0.resnets.0.conv1"
NORM = "mid_block.resnets.0.norm1"
KOHYA_LINEAR = "lora_unet_" + LINEAR.replace(".", "_")
KOHYA_CONV = "lora_unet_" + CONV.replace(".", "_")


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    return tiny.Tiny().unet


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def applied(ref, weight: float = 1.0, dyn: int = 0) -> Applied:
    return Applied(ref.digest, weight, dyn, ref)


def patched(
    unet: UNet2DConditionModel,
    path: Path,
    tensors: dict[str, Tensor],
    layer: str,
    *,
    metadata: dict[str, str] | None = None,
    weight: float = 1.0,
    dyn: int = 0,
    part: str = "weight",
) -> Tensor:
    """The change of a layer's weight that a file makes."""
    ref = loras.write(path / "ink.safetensors", tensors, metadata)
    own = unet.get_submodule(layer).get_parameter(part)
    before = own.detach().clone()
    with Plan(unet, (applied(ref, weight, dyn),), "denoiser").build().worn(unet):
        changed = getattr(unet.get_submodule(layer), part).detach() - before
    assert unet.get_submodule(layer).get_parameter(part) is own
    assert torch.equal(own, before)
    return changed


def close(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


UP, DOWN = random(32, 4), random(4, 32)


@pytest.mark.parametrize(
    ("up", "down"),
    [
        (f"{KOHYA_LINEAR}.lora_up.weight", f"{KOHYA_LINEAR}.lora_down.weight"),
        (f"unet.{LINEAR}.lora_B.weight", f"unet.{LINEAR}.lora_A.weight"),
        (f"base_model.model.unet.{LINEAR}.lora_B.weight",
         f"base_model.model.unet.{LINEAR}.lora_A.weight"),
        (f"unet.{LINEAR}.lora.up.weight", f"unet.{LINEAR}.lora.down.weight"),
        (f"{LINEAR[:-5]}.processor.to_q_lora.up.weight",
         f"{LINEAR[:-5]}.processor.to_q_lora.down.weight"),
        ("lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_up.weight",
         "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_down.weight"),
    ],
)  # fmt: skip
def test_every_trainers_names_reach_the_layer(
    unet: UNet2DConditionModel, tmp_path: Path, up: str, down: str
) -> None:
    close(patched(unet, tmp_path, {up: UP, down: DOWN}, LINEAR), UP @ DOWN)


def test_old_names_of_the_output_layer_reach_it(unet: UNet2DConditionModel, tmp_path: Path) -> None:
    name = f"unet.{OUT[:-9]}.processor.to_out_lora"
    tensors = {f"{name}.up.weight": UP, f"{name}.down.weight": DOWN}
    close(patched(unet, tmp_path, tensors, OUT), UP @ DOWN)


def test_alpha_weight_and_ranks_count(unet: UNet2DConditionModel, tmp_path: Path) -> None:
    tensors = {
        f"{KOHYA_LINEAR}.lora_up.weight": UP.half(),
        f"{KOHYA_LINEAR}.lora_down.weight": DOWN.half(),
        f"{KOHYA_LINEAR}.alpha": torch.tensor(2.0),
    }
    up, down = UP.half().float(), DOWN.half().float()
    close(patched(unet, tmp_path, tensors, LINEAR, weight=-0.5), -0.5 * 2 / 4 * up @ down)
    close(patched(unet, tmp_path, tensors, LINEAR, dyn=3), 2 / 4 * up[:, :3] @ down[:3])
    peft = {f"unet.{LINEAR}.lora_B.weight": UP, f"unet.{LINEAR}.lora_A.weight": DOWN}
    said = {"lora_adapter_metadata": json.dumps({"unet.r": 4, "unet.lora_alpha": 8})}
    close(patched(unet, tmp_path, peft, LINEAR, metadata=said), 2 * UP @ DOWN)


def test_convolutions_whole_and_decomposed(unet: UNet2DConditionModel, tmp_path: Path) -> None:
    up, down = random(32, 4, 1, 1), random(4, 32, 3, 3)
    tensors = {f"{KOHYA_CONV}.lora_up.weight": up, f"{KOHYA_CONV}.lora_down.weight": down}
    wanted = torch.einsum("or,rikl->oikl", up[..., 0, 0], down)
    close(patched(unet, tmp_path, tensors, CONV), wanted)
    mid, narrow = random(4, 4, 3, 3), random(4, 32, 1, 1)
    tensors |= {f"{KOHYA_CONV}.lora_mid.weight": mid, f"{KOHYA_CONV}.lora_down.weight": narrow}
    wanted = torch.einsum("or,rskl,si->oikl", up[..., 0, 0], mid, narrow[..., 0, 0])
    close(patched(unet, tmp_path, tensors, CONV), wanted)


def test_loha(unet: UNet2DConditionModel, tmp_path: Path) -> None:
    a, b, c, d = random(32, 4), random(4, 288), random(32, 4) + 1, random(4, 288) - 1
    parts = {"hada_w1_a": a, "hada_w1_b": b, "hada_w2_a": c, "hada_w2_b": d}
    tensors = {f"{KOHYA_CONV}.{k}": v for k, v in parts.items()}
    tensors[f"{KOHYA_CONV}.alpha"] = torch.tensor(1.0)
    wanted = ((a @ b) * (c @ d)).reshape(32, 32, 3, 3) / 4
    close(patched(unet, tmp_path, tensors, CONV), wanted)
    a, b, t = random(4, 32), random(4, 32) + 1, random(4, 4, 3, 3)
    for n in "12":
        again = {"a": a.clone(), "b": b.clone()}
        tensors |= {f"{KOHYA_CONV}.hada_w{n}_{k}": v for k, v in again.items()}
        tensors[f"{KOHYA_CONV}.hada_t{n}"] = t.clone()
    wanted = torch.einsum("nmkl,no,mi->oikl", t, a, b).square() / 4
    close(patched(unet, tmp_path, tensors, CONV), wanted)


def test_lokr(unet: UNet2DConditionModel, tmp_path: Path) -> None:
    first, second = random(4, 4), random(8, 8, 3, 3)
    tensors = {f"{KOHYA_CONV}.lokr_w1": first, f"{KOHYA_CONV}.lokr_w2": second}
    tensors[f"{KOHYA_CONV}.alpha"] = torch.tensor(7.0)  # of no effect where nothing has a rank
    wanted = torch.einsum("ab,cdkl->acbdkl", first, second).reshape(32, 32, 3, 3)
    close(patched(unet, tmp_path, tensors, CONV), wanted)
    a, b = random(8, 2), random(2, 8)
    parts = {"lokr_w1": first, "lokr_w2_a": a, "lokr_w2_b": b, "alpha": torch.tensor(1.0)}
    tensors = {f"{KOHYA_LINEAR}.{k}": v for k, v in parts.items()}
    close(patched(unet, tmp_path, tensors, LINEAR), torch.kron(first, a @ b) / 2)


def test_full_differences_norms_and_biases(unet: UNet2DConditionModel, tmp_path: Path) -> None:
    flat = "lora_unet_" + NORM.replace(".", "_")
    tensors = {
        f"{KOHYA_CONV}.diff": random(32, 32, 3, 3),
        f"{KOHYA_CONV}.diff_b": random(32),
        f"{flat}.w_norm": random(64),
        f"{flat}.b_norm": random(64) + 1,
    }
    close(patched(unet, tmp_path, tensors, CONV, weight=0.5), random(32, 32, 3, 3) / 2)
    close(patched(unet, tmp_path, tensors, CONV, part="bias", weight=0.5), random(32) / 2)
    close(patched(unet, tmp_path, tensors, NORM, weight=0.5), random(64) / 2)
    close(patched(unet, tmp_path, tensors, NORM, part="bias", weight=0.5), random(64) / 2 + 0.5)


def test_ia3_and_dora(unet: UNet2DConditionModel, tmp_path: Path) -> None:
    own = unet.get_submodule(LINEAR).get_parameter("weight").detach()
    factors = random(32)
    for on_input, wanted in ((True, own * factors), (False, own * factors[:, None])):
        tensors = {f"{KOHYA_LINEAR}.weight": factors.reshape(-1, 1)}
        tensors[f"{KOHYA_LINEAR}.on_input"] = torch.tensor([float(on_input)])
        close(patched(unet, tmp_path, tensors, LINEAR), wanted)
    tensors = {f"{KOHYA_LINEAR}.lora_up.weight": UP, f"{KOHYA_LINEAR}.lora_down.weight": DOWN}
    merged = own + UP @ DOWN
    for axis, shape in ((1, (32, 1)), (0, (1, 32))):
        magnitude = random(32).abs().reshape(shape)
        wanted = merged / merged.norm(dim=axis, keepdim=True) * magnitude - own
        file = tensors | {f"{KOHYA_LINEAR}.dora_scale": magnitude}
        close(patched(unet, tmp_path, file, LINEAR, weight=0.5), wanted / 2)


def test_several_loras_add_and_others_layers_stay(
    unet: UNet2DConditionModel, tmp_path: Path
) -> None:
    tensors = {f"{KOHYA_LINEAR}.lora_up.weight": UP, f"{KOHYA_LINEAR}.lora_down.weight": DOWN}
    one = loras.write(tmp_path / "one.safetensors", tensors)
    two = loras.write(tmp_path / "two.safetensors", {f"{KOHYA_LINEAR}.diff": random(32, 32)})
    plan = Plan(unet, (applied(one, 0.5), applied(two, 2.0)), "denoiser")
    before = {name: id(tensor) for name, tensor in unet.named_parameters()}
    own = unet.get_submodule(LINEAR).get_parameter("weight").detach().clone()
    patches = plan.build()
    assert plan.nbytes == patches.nbytes == 4 * 32 * 32
    with patches.worn(unet):
        inside = unet.get_submodule(LINEAR).weight
        assert isinstance(inside, Tensor)
        close(inside - own, 0.5 * UP @ DOWN + 2 * random(32, 32))
    assert {name: id(tensor) for name, tensor in unet.named_parameters()} == before


def test_an_error_within_a_pass_leaves_the_network_as_it_was(unet: UNet2DConditionModel) -> None:
    own = unet.get_submodule(LINEAR).get_parameter("weight")
    with (
        pytest.raises(RuntimeError),
        Patches({(LINEAR, "weight"): torch.zeros(32, 32)}).worn(unet),
    ):
        raise RuntimeError
    assert unet.get_submodule(LINEAR).get_parameter("weight") is own


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({f"{KOHYA_LINEAR}.lora_up.weight": random(32, 4),
          f"{KOHYA_LINEAR}.lora_down.weight": random(4, 64)}, "another shape than 32×32"),
        ({f"{KOHYA_LINEAR}.lora_up.weight": random(32, 4)}, "does not know how to apply up"),
        ({f"{KOHYA_LINEAR}.lora_up.weight": random(3), f"{KOHYA_LINEAR}.lora_down.weight":
          random(3)}, "does not fit this checkpoint at lora_unet_down_blocks_0"),
        ({f"{KOHYA_LINEAR}.lokr_w1": random(2000, 2000),
          f"{KOHYA_LINEAR}.lokr_w2": random(2000, 2000)}, "do not make 32×32"),
        ({f"{KOHYA_LINEAR}.diff": random(32, 32) / 0}, "invalid numbers"),
        ({f"{KOHYA_LINEAR}.lora_up.weight": UP, f"{KOHYA_LINEAR}.lora_down.weight": DOWN,
          f"{KOHYA_LINEAR}.alpha": random(4)}, "alpha is 4 instead of one number"),
        ({f"{KOHYA_LINEAR}.oft_blocks": UP}, "cannot apply: lora_unet_down_blocks_0"),
        ({"lora_te2_text_model_x.lora_up.weight": UP}, "no layers for lora_te2_text_model_x"),
        ({f"{KOHYA_LINEAR}_no.diff": UP}, "another kind of model"),
        ({"nothing": UP}, "cannot apply: nothing"),
        ({}, "holds no LoRA"),
    ],
)  # fmt: skip
def test_what_cannot_be_applied_is_one_sentence_that_names_it(
    unet: UNet2DConditionModel, tmp_path: Path, tensors: dict[str, Tensor], says: str
) -> None:
    ref = loras.write(tmp_path / "ink.safetensors", tensors)
    with pytest.raises(ModelError) as error:
        Plan(unet, (applied(ref),), "denoiser").build()
    assert says in error.value.message
    assert "LoRA 'ink'" in error.value.message
    assert error.value.message.endswith(".")
    assert "\n" not in error.value.message


def test_a_file_cut_short_or_gone_is_one_sentence(
    unet: UNet2DConditionModel, tmp_path: Path
) -> None:
    path = tmp_path / "ink.safetensors"
    ref = loras.write(path, {f"{KOHYA_LINEAR}.diff": random(32, 32)})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="shorter than it says"):
        Plan(unet, (applied(ref),), "denoiser")
    path.unlink()
    with pytest.raises(ModelError, match=r"ink\.safetensors cannot be read"):
        Plan(unet, (applied(ref),), "denoiser")


def test_original_names_are_those_of_single_file_checkpoints(unet: UNet2DConditionModel) -> None:
    names = {name.removesuffix(".weight") for name in unet.state_dict() if name.endswith(".weight")}
    assert original_names(names) == {
        name: tiny.unet_name(f"{name}.weight").removesuffix(".weight") for name in names
    }
