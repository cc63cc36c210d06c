"""The settings there are: frozen sections whose fields are declared once, with ``Param``.

A field's type may be what ``webui.core.params`` knows, a ``Literal`` of texts, ``Path``, a tuple of
texts, or the pairs of ``server.auth``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from webui.core.upscalers import TILE, TILE_OVERLAP
from webui.settings.param import SettingParam
from webui.settings.saving import Saving

Batching = Literal["exact", "shared"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Source = Literal["default", "file", "environment", "flag"]
InfotextStyles = Literal["ignore", "apply", "discard", "apply if any"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where the page is served and who may use it."""

    host: Annotated[
        str,
        SettingParam(
            label="Address",
            max_chars=255,
            help="127.0.0.1 serves this computer only; 0.0.0.0 the whole network.",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        SettingParam(
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
        SettingParam(
            label="Public link", control="checkbox", help="Make a public Gradio share link."
        ),
    ] = False
    auth: Annotated[
        tuple[tuple[str, str], ...],
        SettingParam(
            label="Users",
            secret=True,
            help="USER:PASSWORD, several separated by commas; empty asks nobody.",
        ),
    ] = field(default=(), repr=False)
    api_auth: Annotated[
        tuple[tuple[str, str], ...],
        SettingParam(
            label="Users of the HTTP API",
            secret=True,
            help="USER:PASSWORD, several separated by commas; for programs, which send HTTP Basic.",
        ),
    ] = field(default=(), repr=False)
    api_server_stop: Annotated[
        bool,
        SettingParam(
            label="Stop over HTTP",
            control="checkbox",
            help="Administrators may end Easel with POST /sdapi/v1/server-stop.",
        ),
    ] = False
    browser: Annotated[
        bool,
        SettingParam(
            label="Open browser", control="checkbox", help="Open the page when it is ready."
        ),
    ] = True
    allowed_origins: Annotated[
        tuple[str, ...],
        SettingParam(
            label="Allowed origins",
            restart=False,
            help="Other sites whose pages may call this one, such as https://example.org.",
        ),
    ] = ()
    allowed_origins_regex: Annotated[
        str,
        SettingParam(
            label="Allowed origins, as a pattern",
            restart=False,
            max_chars=300,
            help="A regular expression that the whole address of such a site has to match.",
        ),
    ] = ""
    allowed_hosts: Annotated[
        tuple[str, ...],
        SettingParam(
            label="Allowed host names",
            restart=False,
            help="Further names this server is reached by, such as that of a proxy before it.",
        ),
    ] = ()
    admins: Annotated[
        tuple[str, ...],
        SettingParam(
            label="Administrators",
            restart=False,
            help="Users who may change the installation from afar; on this computer everyone may.",
        ),
    ] = ()
    mcp: Annotated[
        bool,
        SettingParam(
            label="Agents (MCP)",
            control="checkbox",
            help="Let agents draw by the Model Context Protocol, at /gradio_api/mcp/; needs the "
            "package mcp.",
        ),
    ] = False
    metrics: Annotated[
        bool,
        SettingParam(
            label="Metrics for Prometheus",
            control="checkbox",
            help="Serve /metrics to administrators; needs the package prometheus-client.",
        ),
    ] = False
    metrics_addresses: Annotated[
        tuple[str, ...],
        SettingParam(
            label="Addresses that may read metrics",
            restart=False,
            help="Those of a Prometheus server, which needs no login then, such as 10.0.0.9 or "
            "10.0.0.0/24.",
        ),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The folders Easel works with; absolute once loaded."""

    models: Annotated[Path, SettingParam(label="Models folder", help="Where the models lie.")] = (
        Path("models")
    )
    outputs: Annotated[
        Path, SettingParam(label="Output folder", help="Where pictures are saved.")
    ] = Path("outputs")
    data: Annotated[
        Path,
        SettingParam(
            label="Data folder",
            fixed=True,
            help="Where queue, library, settings and caches are kept.",
        ),
    ] = Path("data")
    installation: Annotated[
        str,
        SettingParam(
            label="Folder of an existing A1111/ComfyUI/Forge installation",
            max_chars=4000,
            restart=False,
            help="Its models are used where they lie, nothing is copied; empty uses none.",
        ),
    ] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """What prompts may hold, and what is done with those of others."""

    wildcards: Annotated[
        bool,
        SettingParam(
            label="Wildcards in prompts",
            control="checkbox",
            help="__name__ takes a line of a file in the data folder's wildcards, {a|b} one of "
            "the options; the picture's seed decides. Off, prompts are taken as they are.",
        ),
    ] = True
    infotext_styles: Annotated[
        InfotextStyles,
        SettingParam(
            label="Infer styles from prompts of pasted infotext",
            a1111="infotext_styles",
            control="choice",
            help="Apply chooses the styles found in the prompt instead of their text, apply if "
            "any only where one is found, discard takes their text out, ignore leaves it.",
        ),
    ] = "apply if any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """How jobs are drawn."""

    batching: Annotated[
        Batching,
        SettingParam(
            label="Batching",
            control="choice",
            help="Exact draws one job at a time; shared draws several users' jobs together.",
        ),
    ] = "exact"
    preview_every: Annotated[
        int,
        SettingParam(
            label="Preview every N steps",
            a1111="show_progress_every_n_steps",
            control="slider",
            minimum=0,
            maximum=150,
            step=1,
            help="0 shows no previews.",
        ),
    ] = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Upscaling:
    """How upscaling models go through a picture."""

    tile: Annotated[
        int,
        SettingParam(
            label="Tile size for upscalers",
            a1111="ESRGAN_tile",
            restart=False,
            control="slider",
            minimum=0,
            maximum=2048,
            step=16,
            help="In pixels: a model sees so large a square of the picture at once. Smaller ones "
            "need less memory; 0 is the whole picture.",
        ),
    ] = TILE
    overlap: Annotated[
        int,
        SettingParam(
            label="Tile overlap for upscalers",
            a1111="ESRGAN_tile_overlap",
            restart=False,
            control="slider",
            minimum=0,
            maximum=256,
            step=1,
            help="By how many pixels neighbours overlap, where they are blended. Too few leave "
            "visible seams.",
        ),
    ] = TILE_OVERLAP


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one user may ask for; 0 is no limit. The defaults suit a server that is shared."""

    waiting_jobs: Annotated[
        int,
        SettingParam(
            label="Jobs a user may have waiting",
            restart=False,
            control="number",
            minimum=0,
            maximum=1000,
            step=1,
            help="One more is refused until one of them has begun; 0 is no limit.",
        ),
    ] = 50
    waiting_megapixels: Annotated[
        int,
        SettingParam(
            label="Megapixels a user may have waiting",
            restart=False,
            control="number",
            minimum=0,
            maximum=1_000_000,
            step=1,
            help="Pictures × width × height of the jobs that wait, in millions; 0 is no limit.",
        ),
    ] = 1000
    per_minute: Annotated[
        int,
        SettingParam(
            label="Jobs a user may submit a minute",
            restart=False,
            control="number",
            minimum=0,
            maximum=100_000,
            step=1,
            help="Users without a login, and those of the public link, are counted by address; "
            "0 is no limit.",
        ),
    ] = 120
    administrators: Annotated[
        bool,
        SettingParam(
            label="Limit administrators too",
            restart=False,
            control="checkbox",
            help="Also whoever uses Easel on the computer it runs on.",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What draws."""

    device: Annotated[
        str,
        SettingParam(
            label="Device",
            max_chars=40,
            help="auto takes the best there is; or cpu, cuda, cuda:1, mps, xpu.",
        ),
    ] = "auto"
    dtype: Annotated[
        Dtype,
        SettingParam(
            label="Number format",
            control="choice",
            help="auto takes the fastest the device computes well.",
        ),
    ] = "auto"
    inline: Annotated[
        bool,
        SettingParam(
            label="Draw in the server's process",
            control="checkbox",
            help="For debugging: a crash then ends the server too.",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one running Easel.

    ``warnings`` are sentences about what was found and not understood (an unknown key, say),
    ``sources`` say of each value by key where it comes from, ``home`` is the folder that relative
    ones in the file are meant from.
    """

    server: Server = Server()
    paths: Paths
    saving: Saving = field(default_factory=Saving)
    prompts: Prompts = Prompts()
    jobs: Jobs = Jobs()
    upscaling: Upscaling = Upscaling()
    limits: Limits = Limits()
    device: Device = Device()
    warnings: tuple[str, ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict, compare=False, repr=False)
    home: Path = field(default=Path(), compare=False)


SECTIONS: dict[str, type] = {
    "server": Server,
    "paths": Paths,
    "saving": Saving,
    "prompts": Prompts,
    "jobs": Jobs,
    "upscaling": Upscaling,
    "limits": Limits,
    "device": Device,
}
GROUPS: dict[str, str] = {
    "server": "Server",
    "paths": "Folders",
    "saving": "Saving pictures",
    "prompts": "Prompts",
    "jobs": "Drawing",
    "upscaling": "Upscaling",
    "limits": "Limits",
    "device": "Device",
}
"""What each section is called on the page."""
