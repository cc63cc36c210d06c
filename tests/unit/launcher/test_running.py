"""Commands, what is told of them, and the lock."""

import sys
import threading
from pathlib import Path

import pytest

from launcher.layout import Layout, only_one
from launcher.running import LaunchError, UnavailableError, notable, run, step


def fake_pip(output: str, status: int = 1) -> list[str]:
    """A command that prints what pip would and ends with `status`."""
    return [sys.executable, "-c", f"import sys; print({output!r}); sys.exit({status})"]


@pytest.mark.parametrize(
    ("output", "advice", "elsewhere"),
    [
        ("ERROR: [Errno 28] No space left on device", "disk space", False),
        ("[Errno 13] Permission denied: '/x'", "writable", False),
        ("Failed to establish: NewConnectionError\nERROR: No matching distribution", "net", True),
        ("ERROR: No matching distribution found for torch==9", "lacks a pinned version", True),
        ("SSLError: CERTIFICATE_VERIFY_FAILED", "PIP_CERT", True),
        ("ProxyError: Cannot connect to proxy, 407 Proxy Authentication", "HTTPS_PROXY", True),
        ("ERROR: ResolutionImpossible", "constraints.txt", True),
        ("Segmentation fault", "Delete the folder .venv", False),
    ],
)
def test_a_failure_says_what_to_do(output: str, advice: str, elsewhere: bool) -> None:
    with pytest.raises(LaunchError) as caught:
        run(fake_pip(output))
    assert output.splitlines()[-1] in str(caught.value)
    assert advice in str(caught.value).partition("What to do: ")[2]
    assert isinstance(caught.value, UnavailableError) == elsewhere


def test_a_failure_shows_the_last_lines_only() -> None:
    with pytest.raises(LaunchError) as caught:
        run(fake_pip("\n".join(f"line {n}" for n in range(1000))))
    assert "line 999" in str(caught.value)
    assert "line 900" not in str(caught.value)


def test_a_failure_without_output_has_its_status() -> None:
    with pytest.raises(LaunchError, match="exit code 7"):
        run(fake_pip("", 7))


def test_a_failed_step_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(LaunchError, match=r"^Step 2/4 failed: install torch\.\n"),
        step("2/4", "install torch"),
    ):
        run(fake_pip("broken"))
    assert capsys.readouterr().err == "Step 2/4: install torch\n"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            "  Downloading torch-2.15.0-cp311-cp311-manylinux_2_28_x86_64.whl (539.1 MB)",
            "downloading torch 2.15.0 (539 MB)",
        ),
        ("Downloading https://a/b/torch-2.15.0+cpu-cp311-none-any.whl (180 MB)", "180 MB"),
        ("Downloading h11-0.16.0-py3-none-any.whl (37 kB)", ""),
        ("Downloading pip-26.3-py3-none-any.whl (1.8 MB)", ""),
        ("Installing collected packages: a, b, c", "unpacking 3 packages"),
        ("Collecting torch", ""),
    ],
)
def test_what_a_waiting_person_sees(line: str, shown: str) -> None:
    assert shown in notable(line)
    assert bool(shown) == bool(notable(line))


def test_the_second_of_two_launches_waits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = Layout(tmp_path)
    order: list[str] = []

    def second() -> None:
        with only_one(layout):
            order.append("second")

    thread = threading.Thread(target=second)
    with only_one(layout):
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert "Another launch is installing" in capsys.readouterr().err
