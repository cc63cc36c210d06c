"""One picture through HTTP ÷ through Python, and how many bytes are moved for it.

A child process has the services and serves them; the same queue, worker and library are used in
three ways in turn, so that a machine whose speed drifts treats them alike: ``queue.submit`` and
reading the file in that process, ``/api/v1`` (submit and wait, fetch the file) and A1111's
``/sdapi/v1/txt2img`` (base64 in JSON). Without ``--real`` a fake draws flat colours, so that only
what surrounds drawing is measured. Bytes moved for a picture are what the server's process
read and wrote through pipes and files, and what it sent over the socket; ``of_pixels`` is that ÷
the raw pixels.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.common import STARTER, JsonChild, median_interval, report
from webui.api import bind, create_app, make_server
from webui.app import WORKER, open_services
from webui.core.requests import Txt2Img
from webui.core.results import LOCAL_CALLER
from webui.services import Services
from webui.settings import load_settings

FAKE = "tests.fakes.worker"
WARM = 3  # rounds that are not counted


def main() -> None:
    """Measure and write ``results/http.json``."""
    args = _arguments()
    if args.serve:
        _serve(args)
        return
    argv = [sys.executable, "-m", "benchmarks.http", "--serve", *sys.argv[1:]]
    with (
        JsonChild(argv) as child,
        httpx.Client(base_url=child.hello["url"], timeout=3600) as client,
    ):
        rounds = [_round(args, child, client, seed) for seed in range(args.rounds + WARM)][WARM:]
    report("http-real" if args.real else "http", _figures(args, rounds))


def _round(
    args: argparse.Namespace, child: JsonChild, client: httpx.Client, seed: int
) -> dict[str, dict[str, float]]:
    """Seconds and bytes moved of each way, once."""
    fields = {"prompt": "a red circle", "seed": seed, "steps": args.steps}
    fields |= {"width": args.size, "height": args.size}
    found = {"python": child.ask({"draw": fields})}
    for name, way in (("api_v1", _native), ("sdapi_v1", _a1111)):
        before = child.ask({})["moved"]
        begun = time.perf_counter()
        sent = way(client, fields)
        seconds = time.perf_counter() - begun
        found[name] = {"seconds": seconds, "moved": child.ask({})["moved"] - before + sent}
    return found


def _native(client: httpx.Client, fields: dict[str, Any]) -> int:
    """Draw by ``/api/v1``; the bytes that came back."""
    answer = client.post("/api/v1/txt2img?wait=true", json=fields).raise_for_status()
    [image] = answer.json()["job"]["images"]
    picture = client.get(f"/api/v1/images/{image['id']}").raise_for_status()
    assert picture.content.startswith(b"\x89PNG")
    return answer.num_bytes_downloaded + picture.num_bytes_downloaded


def _a1111(client: httpx.Client, fields: dict[str, Any]) -> int:
    """Draw as A1111's clients do; the bytes that came back."""
    answer = client.post("/sdapi/v1/txt2img", json=fields).raise_for_status()
    [image] = answer.json()["images"]
    assert base64.b64decode(image).startswith(b"\x89PNG")
    return answer.num_bytes_downloaded


def _figures(args: argparse.Namespace, rounds: list[dict[str, Any]]) -> dict[str, Any]:
    raw = 3 * args.size * args.size
    found: dict[str, Any] = {
        "worker": "starter" if args.real else "fake",
        "size": args.size,
        "steps": args.steps,
        "pixel_bytes": raw,
    }
    for name in ("python", "api_v1", "sdapi_v1"):
        moved = median_interval([r[name]["moved"] for r in rounds])
        found[name] = {
            "seconds": median_interval([r[name]["seconds"] for r in rounds]),
            "ratio": median_interval([r[name]["seconds"] / r["python"]["seconds"] for r in rounds]),
            "moved_bytes": moved,
            "of_pixels": moved["median"] / raw,
        }
    return found


# ---- the child


def _serve(args: argparse.Namespace) -> None:
    """Serve, and answer the parent's lines, until it closes them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = load_settings(
            {
                "paths.models": STARTER.parent.parent,
                "paths.outputs": folder / "outputs",
                "paths.data": folder / "data",
                "jobs.preview_every": 0,
            },
            environ={},
        )
        with open_services(settings, worker=WORKER if args.real else FAKE) as services:
            listener = bind("127.0.0.1", 0)
            up = threading.Event()
            server = make_server(create_app(services, settings), listener, ready=lambda _: up.set())
            thread = threading.Thread(target=server.run, daemon=True)
            thread.start()
            up.wait()
            print(json.dumps({"url": listener.url}), flush=True)
            for line in sys.stdin:
                print(json.dumps(_answer(services, json.loads(line))), flush=True)
            server.should_exit = True
            thread.join(5)


def _answer(services: Services, message: dict[str, Any]) -> dict[str, float]:
    before = _moved()
    begun = time.perf_counter()
    if "draw" in message:
        request = Txt2Img.from_mapping(message["draw"])
        job = services.queue.submit(request, caller=LOCAL_CALLER)
        job = services.queue.wait(job.id, timeout=3600)
        if job.state != "done":
            raise RuntimeError(f"The job ended as {job.state}: {job.error}")
        services.library.file(job.images[0].id).read_bytes()
    seconds, now = time.perf_counter() - begun, _moved()
    return {"seconds": seconds, "moved": now - before if "draw" in message else now}


def _moved() -> int:
    """Bytes this process has read from and written to files and pipes so far (Linux)."""
    lines = Path(f"/proc/{os.getpid()}/io").read_text().splitlines()
    counts = dict(line.split(": ") for line in lines)
    return int(counts["rchar"]) + int(counts["wchar"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--real", action="store_true", help="draw with the starter checkpoint")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
