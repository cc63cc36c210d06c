"""The server is killed without warning, and started again."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.fakes.jobs import Keeper, draw, eventually, make_queue
from tests.fakes.worker import colour_of
from tests.journeys.serving import write_checkpoint
from webui.app import open_services
from webui.core.errors import DataFolderInUse, NotFound
from webui.core.requests import Img2Img, Upscale
from webui.core.results import LOCAL_CALLER
from webui.jobs import JobQueue, Journal, LocalExecutor
from webui.library.inputs import KEPT_BYTES
from webui.settings import load_settings

FAKE = "tests.fakes.worker"


def serve(data: Path) -> None:
    """What the killed process runs: a queue whose first job is half drawn; says so and waits."""
    executor = LocalExecutor(("--step-seconds", "0.005"), module=FAKE)
    queue = make_queue(data, executor)
    first = queue.submit(draw("something", steps=150, batch_count=9), caller=LOCAL_CALLER)
    rest = [queue.submit(draw(p), caller=LOCAL_CALLER).id for p in ("red", "green", "blue")]
    queue.move(rest[2], 0)
    while not queue.get(first.id).images:
        queue.events(queue.last_seq, 1.0)
    told = {"first": first.id, "rest": rest, "worker": executor.pid}
    print(json.dumps(told), flush=True)
    threading.Event().wait()


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_after_a_kill_jobs_are_queued_in_order_and_the_interrupted_one_runs_again(
    tmp_path: Path,
) -> None:
    code = "import sys, pathlib; from tests.contract import test_jobs_survive as t; "
    code += "t.serve(pathlib.Path(sys.argv[1]))"
    server = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert server.stdout is not None
    told = json.loads(server.stdout.readline())
    first, (red, green, blue) = told["first"], told["rest"]
    with pytest.raises(DataFolderInUse, match=str(server.pid)):
        Journal(tmp_path)
    server.send_signal(signal.SIGKILL)
    server.wait(5)
    server.stdout.close()
    assert eventually(lambda: has_left(told["worker"]), 2.0), "the worker stayed"
    keep = Keeper()
    queue = make_queue(tmp_path, LocalExecutor(module=FAKE), keep)
    assert positions(queue) == [first, blue, red, green]
    interrupted = queue.get(first)
    assert interrupted.attempts == 1
    assert 1 <= len(interrupted.images) < 9
    queue.start()
    done = [queue.wait(job_id, 10) for job_id in (first, blue, red, green)]
    assert [j.state for j in done] == ["done"] * 4
    assert [j.attempts for j in done] == [2, 1, 1, 1]
    assert [j.started for j in done] == sorted(j.started or 0.0 for j in done)
    assert [i.seed for i in done[0].images] == list(range(7, 16))
    drawn = keep.kept[first, 0].pixels.data[:3]
    assert drawn == bytes(colour_of("something", 7))
    queue.close()


def test_an_upscaling_job_whose_worker_is_killed_gets_its_pictures_again(tmp_path: Path) -> None:
    head = b'{"conv_first.weight":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'
    file = tmp_path / "models" / "upscalers" / "deadly.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(len(head).to_bytes(8, "little") + head)
    settings = load_settings({}, environ={}, home=tmp_path)
    with open_services(settings, worker=FAKE) as services:
        sent = [services.inputs.put(png_of(colour)).id for colour in ("red", "navy")]
        request = Upscale(images=tuple(sent), upscaler="deadly", scale=2)
        job = services.queue.submit(request, caller=LOCAL_CALLER)
        job = services.queue.wait(job.id, 20)
        assert (job.state, job.attempts, job.losses) == ("done", 2, 1)
        files = [services.library.file(image.id) for image in job.images]
        seen = [Image.open(path).getpixel((9, 9)) for path in files]
        assert seen == [(255, 0, 0), (0, 0, 128)]
        assert len(list(settings.paths.outputs.rglob("*.png"))) == 2, "the first was kept once"


@pytest.mark.skipif(sys.platform == "win32", reason="a large empty file takes its room there")
def test_the_picture_of_a_job_that_waits_for_days_is_kept(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "models" / "checkpoints" / "first", 64)
    settings = load_settings({}, environ={}, home=tmp_path)
    with open_services(settings, worker=FAKE) as services:
        inputs, queue = services.inputs, services.queue
        long = draw("!slow thing", steps=150, checkpoint="first")
        running = queue.submit(long, caller=LOCAL_CALLER)
        start, other = (inputs.put(png_of(colour)).id for colour in ("red", "navy"))
        request = Img2Img(prompt="green", init_image=start, steps=2)
        job = queue.submit(request, caller=LOCAL_CALLER)
        for each in (start, other):
            os.utime(inputs.path(each), (1, 1))  # used for the last time long ago
        with inputs.path(other).with_name(f"{'f' * 64}.png").open("wb") as much:
            much.truncate(KEPT_BYTES)
        inputs.put(png_of("yellow"))
        with pytest.raises(NotFound):
            inputs.data(other)
        queue.cancel(running.id)
        job = queue.wait(job.id, 20)
        assert job.state == "done"
        picture = Image.open(services.library.file(job.images[0].id))
        assert picture.getpixel((1, 1)) == (255, 0, 0)
        assert not queue.inputs()


def png_of(colour: str) -> bytes:
    """A small picture's file."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(out, "PNG")
    return out.getvalue()


def has_left(pid: int) -> bool:
    """Whether the process has ended (who adopted it may not have noticed yet)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def positions(queue: JobQueue) -> list[str]:
    """The queued jobs, the next one first."""
    return [j.id for j in sorted(queue.jobs(states=("queued",)), key=lambda j: j.position or 0)]
