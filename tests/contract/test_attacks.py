"""What was done to other programs of this kind, attempted here and refused.

Each part is one of the causes behind the published vulnerabilities of A1111, ComfyUI, InvokeAI and
Gradio: a client's path that reaches the disk, pickles and evaluated text, extensions installed from
afar, no check of who sends a request, no limit on names and bodies; and what is built from those.
Where it can be, a part goes over every route there is, so that new ones are attacked too.
"""

from __future__ import annotations

import base64
import gzip
import io
import pickle
import re
import socket
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio
import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from starlette.testclient import TestClient, WebSocketDenialResponse

from tests.fakes.executor import FakeExecutor
from tests.fakes.services import HERE, Site, client, open_services, site_settings
from tests.journeys.serving import write_checkpoint
from webui import ui
from webui.api import create_app
from webui.catalog import Catalog
from webui.core import wire
from webui.core.errors import UnsafeFile
from webui.core.measure import Measure
from webui.core.messages import Command, JobImage, JobScores, RunJob
from webui.core.results import Pixels, Score
from webui.settings import load_settings
from webui.settings.sections import Limits

SECRET = "the contents of a file that is nobody's business"
ADMIN, MALLORY = ("ann", "right"), ("mallory", "of the network")
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
DRAWING = ("/api/v1/txt2img", "/sdapi/v1/txt2img", "/v1/images/generations")
REBOUND = ("evil.example", "127.0.0.1.evil.example:7860", "localhost.evil")


class Painter(FakeExecutor):
    """Draws at once whatever it is given, so that nobody waits."""

    def send(self, command: Command) -> None:
        super().send(command)
        if isinstance(command, RunJob):
            job_id, request = command.spec.job_id, command.spec.request
            if isinstance(request, Measure):
                names = [p.name for p in request.pictures] or request.labels
                scores = tuple(Score(name, i, 0.25, 1.0) for i, name in enumerate(names))
                self.emit(JobScores(job_id, scores))
            else:
                for index in range(min(request.count, 4)):
                    self.image(job_id, index)
            self.finish(job_id)

    def image(self, job_id: str, index: int = 0, colour: tuple[int, int, int] = (9, 9, 9)) -> None:
        pixels = Pixels(8, 8, bytes(colour) * 64)
        self.emit(JobImage(job_id, index, 7, pixels, 0.5))


@dataclass
class Target:
    """A server with its page, and files beside it that nobody may read."""

    site: Site
    folder: Path

    @property
    def secret(self) -> Path:
        return self.folder / "secret.txt"

    @property
    def admin(self) -> TestClient:
        """The machine's own user, logged in."""
        return self._with(client(self.site.app), ADMIN)

    @property
    def mallory(self) -> TestClient:
        """A user from afar, logged in, who may not administer anything."""
        return self._with(self.site.away(), MALLORY)

    def _with(self, asking: TestClient, auth: tuple[str, str]) -> TestClient:
        asking.auth = auth
        asking.portal = self.site.local.portal  # one event loop, as in a real server
        return asking

    def draw(self, who: TestClient, prompt: str) -> tuple[str, str]:
        """Let somebody draw a picture; the ids of job and picture."""
        body = {"prompt": prompt, "width": 16, "height": 16}
        answer = who.post("/api/v1/txt2img", json=body)
        assert answer.status_code in (200, 202), answer.text
        job = self.site.queue.wait(answer.json()["job"]["id"], 5)
        assert job.request.prompt == prompt
        return job.id, job.images[0].id

    def routes(self) -> Iterator[tuple[str, str, Any]]:
        """Every route of ours as (method, template, route)."""
        yield from _routes(self.site.app)

    def files(self) -> set[Path]:
        """Everything that lies where nothing is to be written."""
        open_to_writing = (self.folder / "data", self.folder / "outputs")
        return {
            path
            for path in self.folder.rglob("*")
            if not any(path.is_relative_to(folder) for folder in open_to_writing)
        }


def _routes(app: Any) -> Iterator[tuple[str, str, Any]]:
    for route in app.routes:
        if hasattr(route, "original_router"):
            yield from _routes(route.original_router)
        elif hasattr(route, "methods") and hasattr(route, "dependant"):
            for method in sorted(set(route.methods) - {"HEAD", "OPTIONS"}):
                yield method, route.path, route


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("target")
    (folder / "secret.txt").write_text(SECRET)
    write_checkpoint(folder / "models" / "checkpoints" / "fake", 64)
    settings = site_settings(folder, auth=(ADMIN, MALLORY), host="0.0.0.0")
    executor = Painter()
    with open_services(settings, executor) as services:
        services.queue.limits = Limits(waiting_jobs=0, waiting_megapixels=0, per_minute=0)
        app = create_app(services, settings)
        ui.mount(app, services, settings)
        with client(app) as local:
            yield Target(Site(services, executor, app, local), folder)


def harmless(answer: Any, where: object = "") -> None:
    """That an answer is no fault of the server's and tells nothing of its files."""
    assert answer.status_code < 500 or answer.status_code == 501, (where, answer.text[:300])
    assert SECRET not in answer.text, where
    assert "root:" not in answer.text, where
    assert "Traceback" not in answer.text, where


def png(width: int = 8, height: int = 8, **texts: str) -> bytes:
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def text_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def some(tries: Sequence[Any], number: int, step: int) -> Sequence[Any]:
    """Every ``step``-th of the tries: others for each route, all of them over a few routes."""
    return tries[number % step :: step]


# ---- cause 1: a client's path reaches the file system
# CVE-2024-31462, CVE-2026-6591, CVE-2026-56673, CVE-2025-6237, CVE-2024-11042, CVE-2023-51449,
# CVE-2024-1561, CVE-2024-4941, CVE-2024-47164, CVE-2025-23042, GHSA-j36p-7w88-g82j, ComfyUI #12285


def paths(target: Target) -> list[str]:
    up = "../" * 12
    return [
        str(target.secret),
        "../secret.txt",
        "..\\secret.txt",
        "....//secret.txt",
        f"{up}etc/passwd",
        "/etc/passwd",
        "//etc/passwd",
        "C:\\Windows\\win.ini",
        "file:///etc/passwd",
        "secret.txt\0.png",
        "~/secret.txt",
        ".",
    ]


def test_no_path_in_an_address_reaches_the_disk(target: Target) -> None:
    before = target.files()
    templates = [
        (method, template)
        for method, template, _ in target.routes()
        if "{" in template and (":path" not in template or method in ("GET", "POST"))
    ]
    assert len(templates) > 20
    for number, (method, template) in enumerate(templates):
        for path in some(paths(target), number, 2):
            for spelled in (quote(path, safe=""), quote(path).replace("%2F", "/")):
                address = re.sub(r"\{[^}]*\}", lambda _, s=spelled: s, template)
                answer = target.mallory.request(method, address, json={})
                harmless(answer, (method, address))
    assert target.files() == before
    assert target.secret.read_text() == SECRET


def test_no_path_in_a_query_reaches_the_disk(target: Target) -> None:
    before = target.files()
    asked = 0
    for number, (method, template, route) in enumerate(target.routes()):
        names = [field.alias for field in route.dependant.query_params]
        if template.startswith("/login") or not names:
            continue
        address = re.sub(r"\{[^}]*\}", "x", template)
        for path in some(paths(target), number, 2):
            # No waiting for events that do not come.
            query = {name: 0 if name == "timeout" else path for name in names}
            harmless(
                target.mallory.request(method, address, params=query, json={}), (address, query)
            )
            asked += 1
    assert asked > 100
    assert target.files() == before


def test_no_path_in_a_body_reaches_the_disk(target: Target) -> None:
    before = target.files()
    schema = target.site.app.openapi()
    asked = 0
    for address, methods in schema["paths"].items():
        for method, operation in methods.items():
            names = _field_names(schema, operation)
            where = re.sub(r"\{[^}]*\}", "x", address)
            path = paths(target)[asked % 2]
            for value in (path, [path], {"path": path}) if names else ():
                body = dict.fromkeys(names, value)
                answer = target.mallory.request(method, where, json=body)
                harmless(answer, (method, address, value))
                asked += 1
            for name in names[:60]:  # alone, where another field's fault came first
                answer = target.mallory.request(method, where, json={name: paths(target)[0]})
                harmless(answer, (method, address, name))
    assert asked > 50
    assert target.files() == before


def _field_names(schema: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {})
    found = content.get("application/json", {}).get("schema", {})
    if "$ref" in found:
        found = schema["components"]["schemas"][found["$ref"].rpartition("/")[2]]
    return list(found.get("properties", {}))


@pytest.mark.parametrize("prefix", ["/gradio_api/file=", "/file=", "/gradio_api/file/", "/file/"])
def test_gradio_serves_no_file_of_the_machine(target: Target, prefix: str) -> None:
    settings = target.site.services.settings
    files = [
        str(target.secret),
        str(target.secret).upper(),
        str(settings.paths.data / "jobs.sqlite"),
        str(settings.paths.models / "checkpoints" / "fake" / "model_index.json"),
        str(settings.paths.outputs),
        str(settings.paths.outputs / ".." / "secret.txt"),
        str(Path(ui.__file__)),
        *paths(target)[1:],
        "http://169.254.169.254/latest/meta-data",
    ]
    for who in (target.mallory, target.admin):
        for file in files:
            for spelled in (quote(file), quote(file, safe="")):
                answer = who.get(prefix + spelled)
                harmless(answer, file)
                assert answer.status_code >= 300, (file, answer.status_code)


def test_gradios_other_doors_lead_nowhere(target: Target) -> None:
    secret = str(target.secret)
    data = {"path": secret, "meta": {"_type": "gradio.FileData"}}
    calls = [
        ("GET", f"/gradio_api/proxy=http://127.0.0.1:1/{secret}", None),
        ("POST", "/gradio_api/component_server",
         {"component_id": 1, "fn_name": "move_resource_to_block_cache", "data": secret,
          "session_hash": "x"}),
        ("GET", f"/gradio_api/stream/x/{quote(secret, safe='')}/0/playlist.m3u8", None),
        ("GET", f"/static/{quote('../../../' + secret, safe='')}", None),
        ("GET", f"/assets/{quote('../../../' + secret, safe='')}", None),
        ("GET", f"/gradio_api/custom_component/x/x/x/{quote(secret, safe='')}", None),
        ("GET", f"/theme.css?{secret}", None),
        *[("POST", f"/gradio_api/run/{name}", {"data": [data], "session_hash": "x"})
          for name in ("predict", "0", secret)],
        *[("POST", "/gradio_api/queue/join", {"fn_index": i, "data": [data], "session_hash": "x"})
          for i in range(3)],
    ]  # fmt: skip
    for who in (target.mallory, target.admin):
        for method, address, body in calls:
            answer = who.request(method, address, json=body)
            assert SECRET not in answer.text, address
            assert "root:" not in answer.text


def test_an_uploads_name_is_no_path(target: Target) -> None:
    before = target.files()
    names = ["../../../evil.txt", "/tmp/evil.txt", "..\\evil.txt", "e" * 5000, "a\0b", "..", "con"]
    for name in names:
        target.mallory.post("/gradio_api/upload", files={"files": (name, b"x")})
    assert target.files() == before
    assert not (target.folder.parent / "evil.txt").exists()


# ---- cause 2: pickles, eval, and text that is run
# CVE-2026-68771, CVE-2024-12029, CVE-2025-32434, CVE-2024-21576, CVE-2024-21577, CVE-2025-6107


class _Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.marker, "run"))


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin", ".safetensors"])
def test_a_pickle_is_never_loaded(tmp_path: Path, suffix: str) -> None:
    marker = tmp_path / "marker"
    folder = tmp_path / "models" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / f"evil{suffix}").write_bytes(pickle.dumps({"state_dict": _Evil(marker)}) + b"." * 99)
    catalog = Catalog(tmp_path / "models")
    try:
        catalog.problems()
        assert f"evil{suffix}" not in str(catalog.checkpoints())
        with pytest.raises(Exception, match=r"evil|safetensors|no checkpoint|cannot|not"):
            catalog.resolve(f"evil{suffix}")
    finally:
        catalog.close()
    assert not marker.exists()


def test_no_client_reaches_an_unpickler(target: Target, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    body = pickle.dumps(_Evil(marker))
    for method, template, _ in target.routes():
        if method in CHANGING:
            address = re.sub(r"\{[^}]*\}", "x", template)
            for kind in ("application/octet-stream", "application/json", "application/x-pickle"):
                answer = target.mallory.request(
                    method, address, content=body, headers={"content-type": kind}
                )
                harmless(answer, address)
    assert not marker.exists()
    framed = struct.pack("<Q", len(body)) + body  # and even the worker's pipe takes only our own
    with pytest.raises(pickle.UnpicklingError):
        wire.read(io.BytesIO(framed))
    assert not marker.exists()


def test_text_in_pictures_and_prompts_is_only_text(target: Target, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    code = f"__import__('pathlib').Path({str(marker)!r}).write_text('run')"
    evil = f"{{{{{code}}}}} ${{{code}}} $({code}) `touch {marker}` <lora:{code}:1> {code}"
    content = png(parameters=f"{evil}\nSteps: {code}, Seed: {code}", workflow=code, prompt=code)
    answers = [
        target.mallory.post("/api/v1/infotext/picture", content=content),
        target.mallory.post("/api/v1/infotext/parse", json={"text": evil}),
        target.mallory.post("/api/v1/txt2img", json={"prompt": evil, "width": 16, "height": 16}),
        target.mallory.post("/sdapi/v1/png-info", json={"image": text_of(content)}),
        target.mallory.post("/api/v1/tokens", json={"text": evil}),
        target.mallory.post(
            "/sdapi/v1/txt2img", json={"script_name": code, "script_args": [code], "prompt": evil}
        ),
    ]
    for answer in answers:
        harmless(answer)
    assert not marker.exists()


@pytest.mark.parametrize(
    "name", ["__class__", "__init__", "__dict__", "self", "cls", "from_mapping"]
)
def test_attributes_are_no_fields(target: Target, name: str) -> None:
    answer = target.mallory.post("/api/v1/txt2img", json={"prompt": "x", name: "y"})
    assert answer.status_code == 422
    answer = target.admin.patch("/api/v1/settings", json={f"server.{name}": "y", name: "y"})
    assert answer.status_code in (404, 422)


# ---- cause 3: what changes the installation, from afar
# CVE-2024-11045, CVE-2024-21574, CVE-2025-67303, CVE-2026-22777, A1111 #16500, #2571


def test_nothing_installs_anything(target: Target) -> None:
    routes = {template for method, template, _ in target.routes() if method in CHANGING}
    risky = re.compile(
        r"install|extension|plugin|custom|pip|git|exec|eval|shell|python|update", re.IGNORECASE
    )
    assert [route for route in routes if risky.search(route)] == []
    for address in (
        "/sdapi/v1/extensions",
        "/sdapi/v1/extensions/install",
        "/customnode/install",
        "/api/v2/models/install",
        "/api/v1/extensions",
        "/manager/reboot",
        "/queue/join",
    ):
        for who in (target.mallory, target.admin):
            body = {"url": "https://evil.example/x.git", "pip": "evil", "fn_index": 0, "data": []}
            answer = who.post(address, json=body)
            assert answer.status_code in (404, 405), (address, answer.status_code)


def test_guests_change_nothing_of_the_installation(target: Target) -> None:
    changes = [
        ("PATCH", "/api/v1/settings", {"server.admins": ["mallory"]}),
        ("PATCH", "/api/v1/settings", {"limits.per_minute": 0}),
        ("PATCH", "/api/v1/settings", {"paths.outputs": "/"}),
        ("DELETE", "/api/v1/settings/server.auth", None),
        ("POST", "/api/v1/settings/import", {"folder": "/"}),
        ("PUT", "/api/v1/defaults", {"txt2img": {"steps": 1}}),
        ("DELETE", "/api/v1/defaults", None),
        ("POST", "/api/v1/library/import", {"folder": "/"}),
        ("PUT", "/api/v1/styles", {"name": "x", "prompt": "x"}),
        ("POST", "/sdapi/v1/options", {"samples_format": "jpg"}),
        ("POST", "/sdapi/v1/options", {"outdir_samples": "/etc"}),
        ("POST", "/sdapi/v1/server-stop", None),
        ("POST", "/sdapi/v1/server-kill", None),
        ("POST", "/sdapi/v1/server-restart", None),
    ]
    before = target.admin.get("/api/v1/settings").json()
    for method, address, body in changes:
        answer = target.mallory.request(method, address, json=body)
        assert 400 <= answer.status_code < 500 or answer.status_code == 501, (address, answer.text)
    assert target.admin.get("/api/v1/settings").json() == before
    assert target.mallory.get("/api/v1/status").json()["caller"]["is_admin"] is False


def test_a_setting_holds_no_further_settings(tmp_path: Path) -> None:
    settings = site_settings(tmp_path)
    evil = 'x"\r\n[server]\r\nadmins = ["mallory"]\r\nhost = "0.0.0.0"\r\n#'
    with open_services(settings, FakeExecutor()) as services:
        local = client(create_app(services, settings))
        local.patch("/api/v1/settings", json={"saving.name_pattern": f"[seed]{evil}"})
        local.patch("/api/v1/settings", json={"server.allowed_hosts": [evil]})
        local.patch("/api/v1/settings", json={f"saving.{evil}": "x"})
    again = load_settings({}, environ={}, home=tmp_path)
    assert again.server.admins == ()
    assert again.server.host == "127.0.0.1"


# ---- cause 4: who sends a request is not checked
# CVE-2024-11045, CVE-2024-10481, GHSA-5xxr-jvhm-jxmj, CVE-2025-5320, CVE-2024-47167

FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "null"},  # a sandboxed iframe, a page from disk
    {"origin": "http://127.0.0.1:7860.evil.example"},
    {"origin": "http://127.0.0.1:1"},
    {"sec-fetch-site": "cross-site"},
    {"origin": "https://evil.example", "content-type": "text/plain"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_other_sites_pages_change_nothing(target: Target, headers: dict[str, str]) -> None:
    jobs = len(target.site.queue.jobs())
    browser = client(target.site.app)
    browser.post("/login", data={"user": ADMIN[0], "password": ADMIN[1]})  # its cookie goes along
    assert browser.get("/api/v1/status").status_code == 200
    addresses = {
        (method, re.sub(r"\{[^}]*\}", "x", template))
        for method, template, _ in target.routes()
        if method in CHANGING
    }
    addresses |= {
        ("POST", f"/gradio_api/{name}")
        for name in ("queue/join", "upload", "run/predict", "call/x", "component_server", "reset")
    }
    for method, address in some(sorted(addresses), FOREIGN.index(headers), 2):
        answer = browser.request(method, address, json={}, headers=headers)
        assert answer.status_code == 403, (method, address)
        assert not [n for n in answer.headers if n.startswith("access-control-allow")]
    assert len(target.site.queue.jobs()) == jobs


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
@pytest.mark.parametrize("path", ["/api/v1/ws", "/queue/join", "/gradio_api/queue/join", "/ws"])
def test_other_sites_pages_open_no_socket(target: Target, origin: str, path: str) -> None:
    browser = client(target.site.app)
    browser.post("/login", data={"user": ADMIN[0], "password": ADMIN[1]})
    address = HERE.replace("http", "ws") + path
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        browser.websocket_connect(address, headers={"origin": origin}),
    ):
        pass
    assert refused.value.status_code == 403


@pytest.mark.parametrize("host", REBOUND)
def test_a_rebound_name_is_not_answered(target: Target, host: str) -> None:
    for method, template, _ in some(list(target.routes()), REBOUND.index(host), 3):
        address = re.sub(r"\{[^}]*\}", "x", template)
        answer = target.admin.request(method, address, json={}, headers={"host": host})
        assert answer.status_code == 403, address
    for address in ("/", "/config", "/gradio_api/info", "/gradio_api/file=x"):
        assert target.admin.get(address, headers={"host": host}).status_code == 403


def test_what_comes_through_the_tunnel_never_passes_for_this_machine(target: Target) -> None:
    gate = target.site.app.state.gate
    gate.tunnel_port = 4711
    try:
        for base in ("http://127.0.0.1:4711", "http://localhost:4711"):
            through = client(target.site.app, base)
            for name in ("x-forwarded-for", "x-real-ip", "forwarded", "x-forwarded-host", "via"):
                for value in ("127.0.0.1", "for=127.0.0.1;host=localhost", "::1"):
                    assert through.get("/api/v1/status", headers={name: value}).status_code == 401
                    answer = through.get("/api/v1/status", headers={name: value}, auth=ADMIN)
                    assert answer.json()["caller"]["is_admin"] is False
                    change = {"limits.per_minute": 0}
                    answer = through.patch(
                        "/api/v1/settings", json=change, headers={name: value}, auth=ADMIN
                    )
                    assert answer.status_code == 403
    finally:
        gate.tunnel_port = None


def test_another_users_ids_are_not_there(target: Target) -> None:
    job_id, image_id = target.draw(target.admin, "of ann")
    found = 0
    for method, template, _ in target.routes():
        names = re.findall(r"\{([^}]*)\}", template)
        if names and names[0] in ("job_id", "image_id"):
            value = job_id if names[0] == "job_id" else image_id
            body = {"position": 0} if names[0] == "job_id" else {"favourite": True}
            address = template.replace("{" + names[0] + "}", value)
            answer = target.mallory.request(method, address, json=body)
            assert answer.status_code == 404, (method, address, answer.text)
            found += 1
    assert found >= 8
    assert target.site.queue.get(job_id).state == "done"
    for address in ("/api/v1/jobs", "/api/v1/images", "/api/v1/library"):
        assert job_id not in target.mallory.get(address).text
        assert image_id not in target.mallory.get(address).text
    assert "of ann" not in target.mallory.get("/sdapi/v1/progress").text


# ---- cause 5: no limit on names and bodies
# CVE-2024-10935, CVE-2024-12074, CVE-2024-8966, CVE-2024-10821, CVE-2024-11043


def test_endless_bodies_are_refused_everywhere(target: Target) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(66):
            yield b"[" * 1024 * 1024

    for method, template, _ in target.routes():
        if method in CHANGING:
            address = re.sub(r"\{[^}]*\}", "x", template)
            huge = {"content-length": str(10**12)}
            answer = target.mallory.request(method, address, content=b"{}", headers=huge)
            assert answer.status_code == 413, address
    for address in ("/api/v1/txt2img", "/sdapi/v1/txt2img", "/gradio_api/upload", "/login"):
        assert target.mallory.post(address, content=endless()).status_code in (400, 413), address


def test_long_names_deep_bodies_and_odd_numbers_are_sentences(target: Target) -> None:
    bodies = [
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"prompt": 1e999, "width": NaN}',
        b'{"seed": ' + b"9" * 5000 + b"}",
        b'{"prompt": "' + b"x" * 300_000 + b'"}',
        b'{"name": "' + b"x" * 100_000 + b'"}',
        b'{"width": -1, "height": 1e300, "steps": 1e9, "batch_size": 999999}',
        b'{"prompt": "\\ud800", "negative_prompt": "\\u0000"}',
        b"null",
        b"\xff\xfe\x00",
    ]
    for number, (method, template, _) in enumerate(target.routes()):
        if method not in CHANGING or template in ("/login", "/logout"):
            continue
        address = re.sub(r"\{[^}]*\}", "x", template)
        for body in bodies if template in DRAWING else some(bodies, number, 3):
            answer = target.mallory.request(
                method, address, content=body, headers={"content-type": "application/json"}
            )
            harmless(answer, (address, body[:40]))
            assert len(answer.content) < 20_000, address


@pytest.mark.timeout(20)
def test_a_malformed_upload_costs_nothing(target: Target) -> None:
    kinds = [
        ("multipart/form-data; boundary=x", b"--x" + b"-" * 2_000_000),
        ("multipart/form-data; boundary=" + "-" * 20_000, b"--" + b"-" * 2_000_000),
        ("multipart/form-data", b"x" * 2_000_000),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\ncontent-disposition: form-data; name="files"; filename="'
            + b"a" * 2_000_000
            + b'"\r\n\r\nx\r\n--x--\r\n',
        ),
    ]
    for kind, body in kinds:
        for address in ("/gradio_api/upload", "/api/v1/infotext/picture", "/v1/images/edits"):
            answer = target.mallory.post(address, content=body, headers={"content-type": kind})
            assert len(answer.content) < 20_000


def bomb() -> bytes:
    """A PNG of a few kilobytes that says it is 30,000 × 30,000."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 5_000_000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def test_pictures_that_unpack_to_gigabytes_are_refused(target: Target) -> None:
    encoded = text_of(bomb())
    texts = png(parameters="x")  # and text that unpacks to far more than it is
    blown = zlib.compress(b"x" * 50_000_000, 9)
    content = b"parameters\0\0" + blown
    crc = zlib.crc32(b"zTXt" + content)
    at = texts.index(b"IDAT") - 4
    inflated = (
        texts[:at] + struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", crc)
        + texts[at:]
    )  # fmt: skip
    calls: list[tuple[str, dict[str, Any]]] = [
        ("/sdapi/v1/png-info", {"image": encoded}),
        ("/sdapi/v1/interrogate", {"image": encoded}),
        ("/sdapi/v1/extra-single-image", {"image": encoded, "upscaling_resize": 8}),
        ("/sdapi/v1/extra-batch-images", {"imageList": [{"data": encoded, "name": "x"}]}),
        ("/sdapi/v1/img2img", {"init_images": [encoded]}),
        ("/api/v1/rank", {"prompt": "x", "images": [encoded]}),
        ("/api/v1/labels", {"labels": ["x", "y"], "image": encoded}),
        ("/sdapi/v1/extra-single-image", {"image": text_of(png()), "upscaling_resize": 100_000}),
    ]
    for address, body in calls:
        answer = target.mallory.post(address, json=body)
        harmless(answer, address)
        assert answer.status_code != 200 or len(answer.content) < 10_000, address
    for body in (bomb(), inflated):
        answer = target.mallory.post("/api/v1/infotext/picture", content=body)
        harmless(answer)
        assert len(answer.content) < 100_000


def test_packed_bodies_are_not_unpacked(target: Target) -> None:
    packed = gzip.compress(b'{"prompt": "' + b"x" * 100_000_000 + b'"}')
    for address in ("/api/v1/txt2img", "/sdapi/v1/txt2img"):
        answer = target.mallory.post(
            address,
            content=packed,
            headers={"content-encoding": "gzip", "content-type": "application/json"},
        )
        assert 400 <= answer.status_code < 500


# ---- the server as a client: CVE-2024-47167, CVE-2026-28416, GHSA-2mr9-9r47-px2g


def test_no_address_in_a_request_is_fetched(target: Target) -> None:
    called: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            called.append(connection.recv(100))
            connection.close()

    threading.Thread(target=listen, daemon=True).start()
    inside = f"http://127.0.0.1:{listening.getsockname()[1]}/picture.png"
    calls: list[tuple[str, Any]] = [
        ("/sdapi/v1/png-info", {"image": inside}),
        ("/sdapi/v1/interrogate", {"image": inside, "model": "clip"}),
        ("/sdapi/v1/extra-single-image", {"image": inside}),
        ("/sdapi/v1/extra-batch-images", {"imageList": [{"data": inside, "name": "x"}]}),
        ("/sdapi/v1/img2img", {"init_images": [inside]}),
        ("/api/v1/rank", {"prompt": "x", "images": [inside]}),
        ("/api/v1/labels", {"labels": ["x", "y"], "image": inside}),
        ("/api/v1/txt2img", {"prompt": inside, "checkpoint": inside}),
        ("/api/v1/infotext/parse", {"text": inside}),
        ("/v1/images/generations", {"prompt": "x", "model": inside}),
        ("/v1/images/edits", {"image": inside}),
        ("/gradio_api/queue/join",
         {"fn_index": 0, "session_hash": "x",
          "data": [{"path": inside, "url": inside, "meta": {"_type": "gradio.FileData"}}]}),
    ]  # fmt: skip
    for who in (target.mallory, target.admin):
        for address, body in calls:
            answer = who.post(address, json=body)
            assert answer.status_code < 500 or answer.status_code == 501, address
        for address in (f"/gradio_api/proxy={inside}", f"/proxy={inside}", f"/file={inside}"):
            assert who.get(address).status_code >= 400
    listening.close()
    assert called == []


# ---- what comes back: CVE-2024-10099, CVE-2025-6092, CVE-2024-4940, CVE-2026-28415

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def test_no_answer_is_a_page_of_somebody_elses(target: Target) -> None:
    target.draw(target.mallory, SCRIPT)
    for method, template, route in target.routes():
        address = re.sub(r"\{[^}]*\}", lambda _: quote(SCRIPT, safe=""), template)
        query = {
            f.alias: 0 if f.alias == "timeout" else SCRIPT for f in route.dependant.query_params
        }
        for path in (address, re.sub(r"\{[^}]*\}", "x", template)):
            answer = target.mallory.request(method, path, params=query, json={"prompt": SCRIPT})
            if "<script>alert" in answer.text:
                assert "html" not in answer.headers["content-type"], path
                assert "xml" not in answer.headers["content-type"], path
            assert answer.headers["x-content-type-options"] == "nosniff", path


def test_a_pictures_text_and_name_are_no_page(target: Target) -> None:
    _, image_id = target.draw(target.mallory, SCRIPT)
    for query in ("", "?download=true"):
        answer = target.mallory.get(f"/api/v1/images/{image_id}{query}")
        assert answer.headers["content-type"] == "image/png"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "<" not in answer.headers["content-disposition"]


def test_an_uploaded_page_is_not_served_as_one(target: Target) -> None:
    for name, kind in (("x.html", "text/html"), ("x.svg", "image/svg+xml"), ("x.xhtml", "")):
        answer = target.mallory.post("/gradio_api/upload", files={"files": (name, SCRIPT, kind)})
        if answer.status_code != 200:
            continue
        [path] = answer.json()
        served = target.mallory.get(f"/gradio_api/file={quote(path)}")
        if served.status_code == 200:
            shown = served.headers.get("content-disposition", "inline").startswith("inline")
            active = re.search("html|svg|xml", served.headers["content-type"])
            assert not (shown and active), served.headers


@pytest.mark.parametrize(
    "address",
    [
        "/login?next=//evil.example",
        "/login?next=https://evil.example",
        "/file=https://evil.example",
        "//evil.example/..",
        "/gradio_api/file=https://evil.example",
        "/\\evil.example",
        "/login/google?_target_url=https://evil.example",
        "/logout?_target_url=https://evil.example",
    ],
)
def test_nobody_is_sent_elsewhere(target: Target, address: str) -> None:
    for method in ("GET", "POST"):
        form = {"user": ADMIN[0], "password": ADMIN[1]}
        answer = target.admin.request(method, address, data=form)
        place = httpx.URL(answer.headers.get("location", "/"))
        assert place.host in ("", "127.0.0.1"), (method, address, place)
        assert not str(place).startswith(("//", "/\\"))


def test_answers_hold_no_secrets(target: Target) -> None:
    for who, name in ((target.mallory, "mallory"), (target.admin, "ann")):
        for address in (
            "/api/v1/settings", "/sdapi/v1/options", "/sdapi/v1/cmd-flags", "/internal/sysinfo",
            "/internal/sysinfo-download", "/openapi.json", "/config", "/api/v1/status",
        ):  # fmt: skip
            text = who.get(address).text
            for _, password in (ADMIN, MALLORY):
                assert password not in text, (name, address)
    for address in ("/api/v1/settings", "/sdapi/v1/cmd-flags", "/internal/sysinfo"):
        assert str(target.folder) not in target.mallory.get(address).text, address


# ---- what we stand on


def test_gradio_is_new_enough() -> None:
    """6.25 is the first without the published ones above."""
    major, minor, *_ = (int(part) for part in gradio.__version__.split(".")[:2])
    assert (major, minor) >= (6, 25)


def test_files_that_could_run_code_have_their_own_error() -> None:
    assert UnsafeFile().code == "unsafe_file"
