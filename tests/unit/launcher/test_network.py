"""The network as pip is set up to see it."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from launcher.environment import download_pip
from launcher.layout import Layout, Target
from launcher.network import fetch, offered_version, pip_setting, reachable
from launcher.running import LaunchError, UnavailableError
from launcher.torch_choice import TorchChoice, pypi_pair

LINUX = Target("Linux", "x86_64", (3, 12))
Serve = Callable[[dict[str, bytes]], str]
SETTINGS = ("PIP_INDEX_URL", "PIP_PROXY", "PIP_CERT", "HTTP_PROXY", "http_proxy", "NO_PROXY")


@pytest.fixture(autouse=True)
def bare_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of pip or proxy but those that a test makes."""
    for name in (*SETTINGS, "no_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server of a few pages on this machine; absolute addresses make it a proxy."""
    servers: list[ThreadingHTTPServer] = []

    def start(pages: dict[str, bytes]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = pages.get(self.path)
                if self.headers["Authorization"]:
                    page = self.headers["Authorization"].encode()
                self.send_response(404 if page is None else 200)
                self.end_headers()
                self.wfile.write(page or b"")

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_settings_of_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pip_setting("index-url") == ""
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = http://a/\nproxy = http://p:1\n")
    assert pip_setting("index-url") == "http://a/"
    assert pip_setting("proxy") == "http://p:1"
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = a\n[install]\nindex-url = b\n")
    assert pip_setting("index-url") == "b"
    monkeypatch.setenv("PIP_INDEX_URL", "http://c/")
    assert pip_setting("index-url") == "http://c/"


def test_a_damaged_pip_conf_is_no_setting(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("no section here")
    assert pip_setting("index-url") == ""


@pytest.mark.parametrize("how", ["HTTP_PROXY", "PIP_PROXY", "pip.conf"])
def test_proxies_are_used(
    how: str, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve({"http://mirror.invalid/simple/": b"through the proxy"})
    if how == "pip.conf":
        (tmp_path / "pip.conf").write_text(f"[global]\nproxy = {proxy}\n")
    else:
        monkeypatch.setenv(how, proxy)
    assert fetch("http://mirror.invalid/simple/", 5) == b"through the proxy"


def test_user_and_password_in_an_address(serve: Serve) -> None:
    address = serve({}).replace("//", "//me:pass%20word@")
    assert fetch(address + "/x", 5) == b"Basic bWU6cGFzcyB3b3Jk"


PAGE = """
<a href="/whl/cu126/torch-2.14.1%2Bcu126-cp312-cp312-manylinux_2_28_x86_64.whl">x</a>
<a href="torch-2.15.0%2Bcpu-cp312-cp312-manylinux_2_28_x86_64.whl#sha256=0">x</a>
<a href="torch-2.15.0%2Bcpu-cp312-cp312-win_amd64.whl">x</a>
<a href="torch-2.15.0%2Bcpu-cp313-cp313t-manylinux_2_28_aarch64.whl">x</a>
<a href="torchvision-0.29.2-py3-none-manylinux_2_28_x86_64.whl">x</a>
<a href="torchvision-0.29.3+cpu-cp310-abi3-macosx_14_0_arm64.whl">x</a>
"""


@pytest.mark.parametrize(
    ("spec", "target", "version"),
    [
        ("torch==2.15.0", LINUX, "2.15.0+cpu"),
        ("torch==2.14.1", LINUX, "2.14.1+cu126"),
        ("torch==2.15.0", Target("Windows", "AMD64", (3, 12)), "2.15.0+cpu"),
        ("torchvision==0.29.2", LINUX, "0.29.2"),
        ("torchvision==0.29.3", Target("Darwin", "arm64", (3, 14)), "0.29.3+cpu"),
        ("torch==2.15.0", Target("Linux", "x86_64", (3, 13)), None),
        ("torch==2.15.0", Target("Linux", "aarch64", (3, 13)), None),
        ("torch==2.1", LINUX, None),
        ("torchvision==0.29.2", Target("Linux", "aarch64", (3, 12)), None),
    ],
)
def test_what_an_index_offers(spec: str, target: Target, version: str | None) -> None:
    assert offered_version(PAGE, spec, target) == version


def pair(index: str) -> TorchChoice:
    return TorchChoice(index, "torch==2.15.0", "torchvision==0.29.2", "", "", pypi_pair(""))


def test_an_index_that_has_the_pair(serve: Serve) -> None:
    index = serve({"/torch/": PAGE.encode(), "/torchvision/": PAGE.encode()})
    assert reachable(pair(index), LINUX).specs() == ["torch==2.15.0+cpu", "torchvision==0.29.2"]


def test_an_index_without_torchvision(serve: Serve) -> None:
    index = serve({"/torch/": PAGE.encode(), "/torchvision/": b""})
    with pytest.raises(UnavailableError, match=r"has no torchvision==0\.29\.2 for this machine"):
        reachable(pair(index), LINUX)


@pytest.mark.parametrize("index", ["http://127.0.0.1:9", "http://mirror.invalid", "nonsense"])
def test_an_index_that_cannot_be_reached(index: str) -> None:
    with pytest.raises(UnavailableError, match="cannot be reached"):
        reachable(pair(index), LINUX)


def pip_page(wheel: bytes) -> dict[str, bytes]:
    digest = hashlib.sha256(wheel).hexdigest()
    link = f'<a href="../../files/pip-26.3-py3-none-any.whl#sha256={digest}">pip</a>'
    return {"/simple/pip/": link.encode(), "/files/pip-26.3-py3-none-any.whl": wheel}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / ".venv").mkdir()
    (tmp_path / "constraints.txt").write_text("pip==26.3\n")
    return Layout(tmp_path)


def test_pip_comes_from_the_mirror(
    serve: Serve, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", serve(pip_page(b"a wheel")) + "/simple/")
    wheel = download_pip(layout)
    assert (wheel.name, wheel.read_bytes()) == ("pip-26.3-py3-none-any.whl", b"a wheel")


def test_a_damaged_pip_is_refused(
    serve: Serve, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = pip_page(b"a wheel") | {"/files/pip-26.3-py3-none-any.whl": b"other"}
    monkeypatch.setenv("PIP_INDEX_URL", serve(pages) + "/simple/")
    with pytest.raises(LaunchError, match="was damaged"):
        download_pip(layout)


def test_no_network_for_pip(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(LaunchError, match="Check the network"):
        download_pip(layout)
