"""A job is handed over with the pictures it starts from, or ends with one sentence."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.executor import FakeExecutor
from tests.fakes.jobs import make_queue
from webui.core.errors import NotFound
from webui.core.requests import Img2Img
from webui.core.results import LOCAL_CALLER
from webui.jobs.supplying import MAX_BYTES, SupplyingExecutor


def files(name: str) -> bytes:
    if name == "gone":
        raise NotFound("The picture 'gone' is not kept any more; send it again.")
    return bytes(MAX_BYTES + 1) if name == "huge" else name.encode()


def test_pictures_come_with_the_job_and_what_is_gone_ends_it_alone(tmp_path: Path) -> None:
    fake = FakeExecutor()
    queue = make_queue(tmp_path, SupplyingExecutor(fake, files), capacity=3)
    try:
        ids = {
            name: queue.submit(Img2Img(init_image=name, seed=1), caller=LOCAL_CALLER).id
            for name in ("gone", "huge", "here")
        }
        queue.settle()
        gone, huge, here = (queue.get(ids[name]) for name in ids)
        assert gone.error is not None
        assert "send it again" in gone.error.message
        assert huge.error is not None
        assert "512 MiB together" in huge.error.message
        assert here.state == "running"
        assert fake.running[here.id].pictures == (("here", b"here"),)
    finally:
        queue.close()
