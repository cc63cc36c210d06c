"""`webui generate` and `doctor` from the outside: files, lines, exit status, one sentence each."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from tests.fakes.jobs import eventually
from tests.journeys.serving import write_checkpoint
from webui.cli import main
from webui.jobs import Journal
from webui.metadata import read_infotext

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models with one checkpoint, drawn with by the fake worker."""
    write_checkpoint(tmp_path / "models" / "checkpoints" / "first", 64)
    monkeypatch.setenv("EASEL_WORKER_MODULE", "tests.fakes.worker")
    return tmp_path


def generate(home: Path, *words: str) -> int:
    """Draw in this process."""
    return command(home, "generate", *words)


def upscale(home: Path, *words: str) -> int:
    """Enlarge in this process."""
    return command(home, "upscale", *words)


def command(home: Path, *words: str) -> int:
    """Run a command that makes pictures in this process, drawing inline."""
    folders = [f"--{name}-dir={home / name}s" for name in ("model", "output")]
    folders[0] = folders[0].replace("--model-dir", "--models-dir")
    return main([*words, *folders, f"--data-dir={home / 'data'}", "--inline"])


def only_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What was said: exactly one line on standard error, nothing on standard output."""
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("easel: ")
    assert said.err.count("\n") == 1, said.err
    return said.err.removeprefix("easel: ").strip()


def test_each_picture_is_a_file_and_a_json_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["blue", "--seed", "5", "--steps", "3", "--size", "64x32", "--count", "4", "--json"]
    assert generate(home, *words) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["seed"] for line in lines] == [5, 6, 7, 8]
    assert all(set(line) == {"path", "seed", "infotext", "seconds"} for line in lines)
    for line in lines:
        with Image.open(line["path"]) as picture:
            assert picture.size == (64, 32)
            assert picture.getpixel((3, 3)) == (40, 70, 220)
        assert read_infotext(Path(line["path"])) == line["infotext"]
        assert "Steps: 3, Sampler: Euler a, Schedule type: Automatic" in line["infotext"]
        assert f"Seed: {line['seed']}, Size: 64x32" in line["infotext"]


def test_nothing_is_needed_but_a_prompt(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(home, "red") == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.is_relative_to(home / "outputs")
    with Image.open(path) as picture:
        assert picture.size == (64, 64)


def test_an_empty_prompt_draws(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(home, "") == 0
    assert Path(capsys.readouterr().out.strip()).exists()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["x", "--sampler", "Eulr"], "There is no sampler 'Eulr'; did you mean 'Euler'?"),
        (["x", "--size", "65x64"], "Width is 65, not a multiple of 8"),
        (["x", "--size", "8000x8"], "Width is 8000; the most is 4096"),
        (["x", "--size", "4096x4096"], "choose a smaller size"),
        (["x", "--steps", "0"], "Sampling steps is 0; the least is 1"),
        (["x", "--steps", "10000"], "Sampling steps is 10000; the most is 150"),
        (["x", "--cfg-scale", "nan"], "CFG Scale is nan, not a finite number"),
        (["y" * 100_000], "Prompt has 100000 characters; the most is 20000"),
        (["x", "--checkpoint", "nowhere"], "nowhere"),
        (["x", "--checkpoint", "../../etc/passwd"], "passwd"),
    ],
)
def test_a_bad_value_is_one_sentence_and_status_2(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], part: str
) -> None:
    assert generate(home, *words) == 2
    assert part in only_line(capsys)
    assert not list((home / "outputs").rglob("*.png"))


def _truncated(path: Path) -> None:
    body = b'{"w":{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}}'
    path.write_bytes(len(body).to_bytes(8, "little") + body + b"\0" * 100)


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (_truncated, "is cut short: 3900 of 4000 bytes are missing"),
        (lambda path: path.write_bytes(pickle.dumps({"w": 1})), "pickle"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"not a model at all" * 50), "is not a safetensors file"),
    ],
    ids=["truncated", "pickle", "empty", "text"],
)
def test_a_bad_checkpoint_is_one_sentence_and_status_1(
    home: Path, capsys: pytest.CaptureFixture[str], make: object, part: str
) -> None:
    assert callable(make)
    make(home / "models" / "checkpoints" / "bad.safetensors")
    assert generate(home, "x", "--checkpoint", "bad") == 1
    sentence = only_line(capsys)
    assert "bad" in sentence
    assert part in sentence


def test_a_folder_that_is_no_model_is_one_sentence(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "models" / "checkpoints" / "holiday").mkdir()
    (home / "models" / "checkpoints" / "holiday" / "beach.jpg").write_bytes(b"\xff\xd8")
    assert generate(home, "x", "--checkpoint", "holiday") in (1, 2)
    assert "holiday" in only_line(capsys)


def test_an_output_folder_that_is_a_file_is_one_sentence(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "outputs").write_text("in the way")
    assert generate(home, "x") == 1
    assert "outputs" in only_line(capsys)


def colour_file(path: Path, colour: tuple[int, int, int], size: tuple[int, int]) -> Path:
    """A picture's file."""
    Image.new("RGB", size, colour).save(path)
    return path


def test_a_picture_is_drawn_over(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = colour_file(home / "start.png", (200, 100, 0), (64, 32))
    mask = colour_file(home / "mask.png", (255, 255, 255), (64, 32))
    words = ["blue", f"--image={start}", "--mask", str(mask), "--denoising-strength", "0.5"]
    assert generate(home, *words, "--mask-blur", "2", "--inpaint-area", "only masked") == 0
    path = Path(capsys.readouterr().out.strip())
    with Image.open(path) as picture:
        assert picture.size == (64, 32)
        assert picture.getpixel((3, 3)) == (200, 100, 0)
        assert picture.getpixel((3, 30)) == (40, 70, 220)
    said = read_infotext(path) or ""
    assert "Denoising strength: 0.5" in said
    assert "Mask blur: 2, Inpaint area: Only masked" in said
    assert not (home / "data" / "inputs").exists()  # nobody starts from it again


def test_pictures_are_enlarged(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [colour_file(home / f"{name}.png", (9, 8, 7), (24, 16)) for name in "ab"]
    assert upscale(home, *map(str, files), "--upscaler", "Nearest", "--scale", "2", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 2
    for line in lines:
        with Image.open(line["path"]) as picture:
            assert picture.size == (48, 32)
            assert picture.getpixel((3, 3)) == (9, 8, 7)
        assert "Postprocess upscaler: Nearest" in line["infotext"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["x", "--image", "nowhere.png"], "There is no file 'nowhere.png'."),
        (["x", f"--image={__file__}"], "test_command_line.py': The picture cannot be read as PNG"),
        (["x", "--mask", "a.png"], "--mask only goes with --image."),
        (["x", "--mask-blur", "3"], "--mask-blur only goes with --image."),
        (["x", "--image", "a.png", "--hires", "on"], "--hires does not go with --image."),
        (["x", "--image", "a.png", "--denoising-strength", "2"], "the most is 1"),
        (["x", "--image", "a.png", "--inpaint-area", "all"], "There is no inpaint area 'all'"),
    ],
)
def test_a_bad_start_is_one_sentence_and_status_2(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], part: str
) -> None:
    assert generate(home, *words) == 2
    assert part in only_line(capsys)
    assert not list((home / "outputs").rglob("*.png"))


def test_what_cannot_be_enlarged_is_one_sentence(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert upscale(home, "nowhere.png") == 2
    assert "There is no file 'nowhere.png'." in only_line(capsys)
    start = colour_file(home / "start.png", (9, 8, 7), (8, 8))
    assert upscale(home, str(start), "--upscaler", "Lanczo") == 2
    assert "Lanczo" in only_line(capsys)


@pytest.mark.parametrize(
    ("flag", "part"),
    [
        ("--port=abc", "Port is 'abc', not a number"),
        ("--port=70000", "Port is 70000; the most is 65535"),
        ("--auth=ann", "Entry 1 of the users has no colon"),
        ("--device=gpu", "Device is 'gpu'; it can be auto"),
    ],
)
def test_a_bad_flag_is_one_sentence_and_status_2(
    home: Path, capsys: pytest.CaptureFixture[str], flag: str, part: str
) -> None:
    assert main(["serve", "--no-browser", f"--data-dir={home / 'data'}", flag]) == 2
    assert part in only_line(capsys)


def test_a_port_in_use_is_one_sentence(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--no-browser", f"--port={port}", f"--data-dir={home}"]) == 1
    assert f"Port {port} is taken" in only_line(capsys)


def test_a_data_folder_in_use_is_one_sentence(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Journal(home / "data")):
        words = ["serve", "--no-browser", "--port=0", f"--data-dir={home / 'data'}"]
        assert main([*words, f"--output-dir={home / 'outputs'}"]) == 1
    assert str(home / "data") in only_line(capsys)


def test_doctor_says_what_is_there_and_what_is_wrong(home: Path) -> None:
    (home / "models" / "checkpoints" / "bad.ckpt").write_bytes(pickle.dumps({"w": 1}))
    command = [sys.executable, "-m", "webui", "doctor", "--json", f"--models-dir={home / 'models'}"]
    command += [f"--data-dir={home / 'data'}", f"--output-dir={home / 'outputs'}"]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    findings = json.loads(done.stdout)
    said = [f"{f['level']}: {f['what']}" for f in findings]
    assert done.returncode == 0, said
    assert any(s.startswith("ok: torch 2.") for s in said)
    assert any(s.startswith("ok: Checkpoint first") for s in said)
    assert any(s.startswith("warning: bad.ckpt") for s in said)
    assert "ok: Draws on Fake device in float32 (torch none)" in said


@pytest.mark.skipif(sys.platform == "win32", reason="the browser stands in as a shell script")
def test_serve_opens_the_browser_when_the_page_is_served(home: Path) -> None:
    opened = home / "opened"
    script = home / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > "{opened}.new"; mv "{opened}.new" "{opened}"\n')
    script.chmod(0o755)
    command = [sys.executable, "-m", "webui", "serve", "--port=0", f"--data-dir={home / 'data'}"]
    command += [f"--models-dir={home / 'models'}", f"--output-dir={home / 'outputs'}"]
    environ = {**os.environ, "BROWSER": f"{script} %s"}
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE) as server:
        assert eventually(opened.exists, timeout=60)
        address = opened.read_text().strip()
        with urllib.request.urlopen(address, timeout=10) as page:
            assert b"Generate" in page.read()
        server.terminate()
    assert address.startswith("http://127.0.0.1:")
