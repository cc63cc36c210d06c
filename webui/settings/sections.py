"""The settings there are: frozen sections whose fields are declared once, with ``Param``.

A field's type may be what ``webui.core.params`` knows, a ``Literal`` of texts, ``Path``, a tuple of
texts, or the pairs of ``server.auth``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from webui.core.params import Param
from webui.core.results import ImageFormat

Batching = Literal["exact", "shared"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where the page is served and who may use it."""

    host: Annotated[
        str,
        Param(
            label="Address",
            max_chars=255,
            help="127.0.0.1 serves this computer only; 0.0.0.0 the whole network.",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Param(
            label="Port",
            control="number",
            minimum=0,
            maximum=65535,
            step=1,
            help="0 takes a free one.",
        ),
    ] = 7860
    share: Annotated[
        bool,
        Param(label="Public link", control="checkbox", help="Make a public Gradio share link."),
    ] = False
    auth: Annotated[
        tuple[tuple[str, str], ...],
        Param(label="Users", help="USER:PASSWORD, several separated by commas; empty asks nobody."),
    ] = field(default=(), repr=False)
    browser: Annotated[
        bool,
        Param(label="Open browser", control="checkbox", help="Open the page when it is ready."),
    ] = True
    allowed_origins: Annotated[
        tuple[str, ...],
        Param(
            label="Allowed origins",
            help="Other sites whose pages may call this one, such as https://example.org.",
        ),
    ] = ()
    allowed_hosts: Annotated[
        tuple[str, ...],
        Param(
            label="Allowed host names",
            help="Further names this server is reached by, such as that of a proxy before it.",
        ),
    ] = ()
    admins: Annotated[
        tuple[str, ...],
        Param(
            label="Administrators",
            help="Users who may change the installation from afar; on this computer everyone may.",
        ),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The folders Easel works with; absolute once loaded."""

    models: Annotated[Path, Param(label="Models folder", help="Where the models lie.")] = Path(
        "models"
    )
    outputs: Annotated[Path, Param(label="Output folder", help="Where pictures are saved.")] = Path(
        "outputs"
    )
    data: Annotated[
        Path,
        Param(label="Data folder", help="Where queue, library, settings and caches are kept."),
    ] = Path("data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """How finished pictures become files."""

    format: Annotated[
        ImageFormat,
        Param(
            label="Image format",
            control="choice",
            help="PNG keeps every pixel, JPEG and WebP are smaller.",
        ),
    ] = "png"
    quality: Annotated[
        int,
        Param(
            label="Quality",
            control="slider",
            minimum=1,
            maximum=100,
            step=1,
            help="For JPEG and WebP.",
        ),
    ] = 92
    name_pattern: Annotated[
        str,
        Param(
            label="File name pattern",
            max_chars=200,
            help="Made of [number] [seed] [date] [model_name] [prompt_words] [width] [height] "
            "[job] and other text.",
        ),
    ] = "[number]-[seed]"
    embed_metadata: Annotated[
        bool,
        Param(
            label="Write generation parameters into the file",
            control="checkbox",
            help="So that a picture can be drawn again from its file.",
        ),
    ] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """How jobs are drawn."""

    batching: Annotated[
        Batching,
        Param(
            label="Batching",
            control="choice",
            help="Exact draws one job at a time; shared draws several users' jobs together.",
        ),
    ] = "exact"
    preview_every: Annotated[
        int,
        Param(
            label="Preview every N steps",
            control="slider",
            minimum=0,
            maximum=150,
            step=1,
            help="0 shows no previews.",
        ),
    ] = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What draws."""

    device: Annotated[
        str,
        Param(
            label="Device",
            max_chars=40,
            help="auto takes the best there is; or cpu, cuda, cuda:1, mps, xpu.",
        ),
    ] = "auto"
    dtype: Annotated[
        Dtype,
        Param(
            label="Number format",
            control="choice",
            help="auto takes the fastest the device computes well.",
        ),
    ] = "auto"
    inline: Annotated[
        bool,
        Param(
            label="Draw in the server's process",
            control="checkbox",
            help="For debugging: a crash then ends the server too.",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one running Easel.

    ``warnings`` are sentences about what was found and not understood (an unknown key, say).
    """

    server: Server = Server()
    paths: Paths
    saving: Saving = Saving()
    jobs: Jobs = Jobs()
    device: Device = Device()
    warnings: tuple[str, ...] = ()


SECTIONS: dict[str, type] = {
    "server": Server,
    "paths": Paths,
    "saving": Saving,
    "jobs": Jobs,
    "device": Device,
}
