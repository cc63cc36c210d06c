"""Which model a file or folder is, and what is said of those that cannot be used."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webui.catalog.folders import identify_folder
from webui.catalog.header import MAX_HEADER_BYTES, read_header
from webui.catalog.identify import Identity, identify_file
from webui.core.errors import EaselError, ModelError, UnsafeFile

UNET = "model.diffusion_model."
CONV_IN = UNET + "input_blocks.0.0.weight"
ATTENTION = UNET + "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
OPENCLIP = {
    "cond_stage_model.transformer.text_model.final_layer_norm.weight": None,
    "cond_stage_model.model.ln_final.weight": (1024,),
}
XL = {**OPENCLIP, "conditioner.embedders.0.transformer.text_model.final.weight": (768,)}
XL["cond_stage_model.model.ln_final.weight"] = None

Maker = Callable[..., Path]


def sentence_of(error: pytest.ExceptionInfo[EaselError]) -> str:
    message = error.value.message
    assert message.endswith(".")
    assert "\n" not in message
    assert len(message) < 300
    return message


def test_stable_diffusion_1_is_known(tmp_path: Path, safetensors: Maker) -> None:
    path = safetensors(tmp_path / "m.safetensors")
    assert identify_file(read_header(path, "m"), "m") == Identity("sd15", "epsilon", 512)


@pytest.mark.parametrize(
    ("more", "metadata"),
    [
        ({"v_pred": ()}, None),
        ({}, {"modelspec.predict_key": "v"}),
        ({}, {"modelspec.prediction_type": "v"}),
        ({}, {"ss_v_parameterization": "True"}),
    ],
)
def test_v_prediction_is_known(
    tmp_path: Path,
    safetensors: Maker,
    sd1: dict[str, tuple[int, ...]],
    more: dict[str, tuple[int, ...]],
    metadata: dict[str, str] | None,
) -> None:
    path = safetensors(tmp_path / "m.safetensors", sd1 | more, metadata)
    assert identify_file(read_header(path, "m"), "m") == Identity("sd15", "v_prediction", 512)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({ATTENTION: (320, 1024), **OPENCLIP}, "is a Stable Diffusion 2.x checkpoint; this"),
        ({ATTENTION: (640, 2048), **XL}, "is a Stable Diffusion XL checkpoint; this version draws"),
        ({ATTENTION: (768, 1280), **XL}, "is a Stable Diffusion XL refiner checkpoint"),
        ({ATTENTION: (320, 640), **XL}, "is a Stable Diffusion XL checkpoint"),
        ({ATTENTION: (320, 640), **OPENCLIP}, "is a Stable Diffusion 2.x checkpoint"),
        ({CONV_IN: (320, 9, 3, 3)}, "is an inpainting checkpoint, which cannot draw"),
        ({CONV_IN: (320, 8, 3, 3)}, "image-editing (pix2pix)"),
        ({CONV_IN: (320, 7, 3, 3)}, "UNet with 7 input channels"),
        ({CONV_IN: ()}, "UNet with 0 input channels"),
        (dict.fromkeys(OPENCLIP), "lacks its text encoder"),
        ({"first_stage_model.decoder.conv_in.weight": None}, "lacks its VAE"),
        ({CONV_IN: None, UNET + "joint_blocks.0.x": (1,)}, "is a Stable Diffusion 3 checkpoint"),
        ({CONV_IN: None, UNET + "double_blocks.0.x": (1,)}, "is a Flux checkpoint"),
        ({CONV_IN: None}, "is a checkpoint of another kind"),
    ],
)
def test_other_checkpoints_are_told_apart(
    tmp_path: Path,
    safetensors: Maker,
    sd1: dict[str, tuple[int, ...]],
    changes: dict[str, tuple[int, ...] | None],
    says: str,
) -> None:
    shapes = {k: v for k, v in (sd1 | changes).items() if v is not None}
    header = read_header(safetensors(tmp_path / "m.safetensors", shapes), "m")
    with pytest.raises(ModelError) as error:
        identify_file(header, "m")
    assert says in sentence_of(error)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("lora_unet_down.lora_down.weight", "a LoRA, not a checkpoint; move it to models/lora."),
        ("unet.down_blocks.0.to_q.lora_A.weight", "is a LoRA"),
        ("control_model.input_blocks.0.0.weight", "is a ControlNet"),
        ("controlnet_cond_embedding.conv_in.weight", "is a ControlNet"),
        ("decoder.conv_in.weight", "is a VAE"),
        ("emb_params", "is an embedding"),
        ("conv_first.weight", "is an upscaler"),
        ("down_blocks.0.resnets.0.conv1.weight", "is one part of a diffusers model"),
        ("text_model.embeddings.position_ids", "is one part of a diffusers model"),
        ("something.else", "is no model this version knows"),
    ],
)  # fmt: skip
def test_files_of_other_kinds_are_told_where_they_belong(
    tmp_path: Path, safetensors: Maker, key: str, says: str
) -> None:
    header = read_header(safetensors(tmp_path / "m.safetensors", {key: (1,)}), "m")
    with pytest.raises(ModelError) as error:
        identify_file(header, "m")
    assert says in sentence_of(error)


def pickled() -> bytes:
    return pickle.dumps({"state_dict": {"a": [1.0] * 50}})


def zipped(tmp_path: Path) -> bytes:
    with zipfile.ZipFile(tmp_path / "z", "w") as archive:
        archive.writestr("archive/data.pkl", pickled())
    return (tmp_path / "z").read_bytes()


def framed(header: bytes, body: int = 0) -> bytes:
    return len(header).to_bytes(8, "little") + header + bytes(body)


def one(**changes: Any) -> bytes:
    """A header with one tensor, some of it wrong."""
    entry = {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]} | changes
    return framed(json.dumps({"a": entry}).encode(), 4)


@pytest.mark.parametrize("pickles", [pickled, zipped])
def test_pickles_under_another_name_are_refused(
    tmp_path: Path, pickles: Callable[..., bytes]
) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(pickles(tmp_path) if pickles is zipped else pickles())
    with pytest.raises(UnsafeFile) as error:
        read_header(path, "m")
    assert "can run code" in sentence_of(error)


HOSTILE = {
    "empty": (b"", "is empty"),
    "tiny": (b"\x01", "is not a safetensors file"),
    "text": (b"hello, I am not a model at all", "is not a safetensors file"),
    "html": (b"<!DOCTYPE html><html>not found</html>", "is a web page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer"),
    "gguf": (b"GGUF\x03\0\0\0" + bytes(50), "is a GGUF file"),
    "huge header": (struct.pack("<Q", MAX_HEADER_BYTES + 1) + b"{" + bytes(99), "more than any"),
    "huger header": (struct.pack("<Q", 2**64 - 1) + b"{" + bytes(99), "more than any model"),
    "cut header": (struct.pack("<Q", 1000) + b'{"a": ', "cut short within its header"),
    "no json": (framed(b"{ not json at all"), "is not valid JSON"),
    "not utf-8": (framed(b'{"\xff\xfe": 1}     '), "is not valid JSON"),
    "nested": (framed(b'{"a":' + b"[" * 200_000), "is not valid JSON"),
    "huge number": (framed(b'{"a":' + b"9" * 10_000 + b"}"), "is not valid JSON"),
    "no entry": (framed(b'{"a": [1, 2, 3]}'), "tensor 'a' is not described"),
    "negative": (one(data_offsets=[-4, 0]), "not described validly"),
    "backwards": (one(data_offsets=[4, 0]), "not described validly"),
    "enormous": (one(data_offsets=[0, 2**70]), "not described validly"),
    "wrong size": (one(shape=[3]), "not described validly"),
    "negative shape": (one(shape=[-2, -1]), "not described validly"),
    "boolean shape": (one(shape=[True, 2]), "not described validly"),
    "fractional shape": (one(shape=[2.0]), "not described validly"),
    "no dtype": (one(dtype=None), "not described validly"),
    "odd dtype": (one(dtype="object"), "not described validly"),
    "three offsets": (one(data_offsets=[0, 2, 4]), "not described validly"),
    "hole": (one(data_offsets=[4, 8]), "overlap or leave holes"),
    "truncated": (one()[:-1], "is cut short: 1 of 4 bytes are missing"),
    "too long": (one() + b"x", "has 1 bytes too many"),
    "long name": (framed(json.dumps({"n" * 5000: 1}).encode()), "not described validly"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_damaged_and_hostile_files_give_a_sentence(tmp_path: Path, kind: str) -> None:
    data, says = HOSTILE[kind]
    path = tmp_path / "m.safetensors"
    path.write_bytes(data)
    with pytest.raises(ModelError) as error:
        read_header(path, "m")
    assert says in sentence_of(error)
    assert not isinstance(error.value, UnsafeFile)


@given(st.binary(max_size=200), st.booleans())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes_give_a_header_or_a_sentence(
    tmp_path: Path, data: bytes, is_framed: bool
) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(framed(b"{" + data) if is_framed else data)
    with pytest.raises(ModelError):
        read_header(path, "m")


def test_what_is_no_file_is_a_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "dir.safetensors").mkdir()
    for name in ("pipe", "dir", "missing"):
        with pytest.raises(ModelError, match=r"not an ordinary file\.|cannot be read"):
            read_header(tmp_path / f"{name}.safetensors", name)


def test_identifying_reads_the_header_and_no_more(
    tmp_path: Path,
    safetensors: Maker,
    sd1: dict[str, tuple[int, ...]],
    bytes_read: Callable[[], int],
) -> None:
    path = safetensors(tmp_path / "m.safetensors", sd1 | {"big": (1024, 1024, 1024)})
    assert path.stat().st_size > 2 * 2**30
    before = bytes_read()
    identify_file(read_header(path, "m"), "m")
    assert bytes_read() - before < 20_000


def test_a_diffusers_folder_is_known(tmp_path: Path, diffusers_folder: Maker) -> None:
    folder = diffusers_folder(tmp_path / "m")
    assert identify_folder(folder, "m") == Identity("sd15", "epsilon", 64, 128)
    diffusers_folder(
        tmp_path / "v",
        scheduler__scheduler_config={"prediction_type": "v_prediction"},
        unet__config={"sample_size": [96, 64], "cross_attention_dim": 768},
        vae__config={"block_out_channels": [1, 2, 3, 4]},
    )
    assert identify_folder(tmp_path / "v", "v") == Identity("sd15", "v_prediction", 768)


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        ({"model_index": {"_class_name": "StableDiffusionXLPipeline"}}, ModelError, "Diffusion XL"),
        ({"model_index": {"_class_name": "OtherPipeline"}}, ModelError, "made for 'OtherPipeline'"),
        ({"model_index": {"_class_name": ["x"]}}, ModelError, "made for ['x']"),
        ({"model_index": {"unet": ["evil", "Backdoor"]}}, UnsafeFile, "Backdoor'] as its 'unet'"),
        ({"model_index": {"extra": ["os", "system"]}}, UnsafeFile, "['os', 'system']"),
        ({"model_index": {"scheduler": ["diffusers", "MyScheduler"]}}, UnsafeFile, "MyScheduler"),
        ({"model_index": {"unet": [["a"], {}, 3]}}, UnsafeFile, "not among the classes"),
        ({"unet__config": {"auto_map": {"AutoModel": "code.py"}}}, UnsafeFile, "code of its own"),
        ({"unet__config": {"_class_name": "Backdoor"}}, UnsafeFile, "'Backdoor' as its unet"),
        ({"unet__config": {"in_channels": 9}}, ModelError, "an inpainting checkpoint"),
        ({"unet__config": {"cross_attention_dim": 1024}}, ModelError, "Stable Diffusion 2.x"),
        ({"unet__config": None}, ModelError, "lacks unet/config.json"),
        ({"unet__config": b"[]"}, ModelError, "unet/config.json is not a JSON object"),
        ({"model_index": b"{" * 9}, ModelError, "model_index.json is not valid JSON"),
        ({"model_index": b"[" * 100_000}, ModelError, "model_index.json is not valid JSON"),
        ({"vae__config": b" " * 1_000_001}, ModelError, "vae/config.json is too large"),
        ({"scheduler__scheduler_config": {"prediction_type": "v"}}, ModelError, "predicts 'v'"),
    ],
)  # fmt: skip
def test_folders_that_cannot_be_used_say_why(
    tmp_path: Path,
    diffusers_folder: Maker,
    changes: dict[str, Any],
    kind: type[ModelError],
    says: str,
) -> None:
    folder = diffusers_folder(tmp_path / "m", **changes)
    with pytest.raises(kind) as error:
        identify_folder(folder, "m")
    assert says in sentence_of(error)


def test_a_folder_s_weights_must_be_there_whole_and_safe(
    tmp_path: Path, diffusers_folder: Maker
) -> None:
    folder = diffusers_folder(tmp_path / "m")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    with pytest.raises(
        ModelError, match=r"'m/unet/diffusion_pytorch_model\.safetensors' is cut short"
    ):
        identify_folder(folder, "m")
    weights.unlink()
    with pytest.raises(ModelError, match=r"lacks unet/diffusion_pytorch_model\.safetensors"):
        identify_folder(folder, "m")
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickled())
    with pytest.raises(UnsafeFile, match="pickled unet weights"):
        identify_folder(folder, "m")
    (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(whole)
    assert identify_folder(folder, "m").family == "sd15"
