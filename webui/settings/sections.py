"""The settings there are: frozen sections whose fields are declared once, with ``Param``.

A field's type may be what ``webui.core.params`` knows, a ``Literal`` of texts, ``Path``, a tuple of
texts, or the pairs of ``server.auth``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from webui.core.params import Param
from webui.core.results import ImageFormat

Batching = Literal["exact", "shared"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Source = Literal["default", "file", "environment", "flag"]
InfotextStyles = Literal["ignore", "apply", "discard", "apply if any"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingParam(Param):
    """What a setting means; ``a1111`` is the name of its option in A1111's ``config.json``.

    ``restart`` says that a change counts from the next start on, ``secret`` that the value is
    never shown, ``fixed`` that the settings file cannot hold it.
    """

    restart: bool = True
    secret: bool = False
    fixed: bool = False


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
class Saving:
    """How finished pictures become files."""

    format: Annotated[
        ImageFormat,
        SettingParam(
            label="File format for images",
            restart=False,
            a1111="samples_format",
            control="choice",
            help="PNG keeps every pixel; JPEG, WebP and AVIF are smaller.",
        ),
    ] = "png"
    quality: Annotated[
        int,
        SettingParam(
            label="Quality for saved jpeg, webp and avif images",
            restart=False,
            a1111="jpeg_quality",
            control="slider",
            minimum=1,
            maximum=100,
            step=1,
            help="Higher is larger and closer to what was drawn; PNG has none.",
        ),
    ] = 92
    webp_lossless: Annotated[
        bool,
        SettingParam(
            label="Use lossless compression for webp images",
            restart=False,
            a1111="webp_lossless",
            control="checkbox",
            help="WebP then keeps every pixel, as PNG does.",
        ),
    ] = False
    name_pattern: Annotated[
        str,
        SettingParam(
            label="Images filename pattern",
            restart=False,
            a1111="samples_filename_pattern",
            max_chars=200,
            help="Made of [number] [seed] [date] [model_name] [prompt_words] [width] [height] "
            "[job], A1111's other parts, and other text.",
        ),
    ] = "[number]-[seed]"
    prompt_words: Annotated[
        int,
        SettingParam(
            label="Max prompt words for [prompt_words] pattern",
            restart=False,
            a1111="directories_max_prompt_words",
            control="slider",
            minimum=1,
            maximum=40,
            step=1,
            help="How many of a prompt's first words go into a name.",
        ),
    ] = 8
    subfolders: Annotated[
        bool,
        SettingParam(
            label="Save images to a subdirectory",
            restart=False,
            a1111="save_to_dirs",
            control="checkbox",
            help="Named by the directory name pattern.",
        ),
    ] = True
    folder_pattern: Annotated[
        str,
        SettingParam(
            label="Directory name pattern",
            restart=False,
            a1111="directories_filename_pattern",
            max_chars=200,
            help="Made of the same parts as file names; / begins a folder in the folder.",
        ),
    ] = "[date]"
    embed_metadata: Annotated[
        bool,
        SettingParam(
            label="Write infotext to metadata of the generated image",
            restart=False,
            a1111="enable_pnginfo",
            control="checkbox",
            help="So that a picture can be drawn again from its file.",
        ),
    ] = True
    text_file: Annotated[
        bool,
        SettingParam(
            label="Create a text file next to every image with generation parameters",
            restart=False,
            a1111="save_txt",
            control="checkbox",
            help="The same text, as a .txt file of the same name.",
        ),
    ] = False
    grid: Annotated[
        bool,
        SettingParam(
            label="Always save all generated image grids",
            restart=False,
            a1111="grid_save",
            control="checkbox",
            help="One more file, grid-0000 and so on, that shows all pictures of a job of several.",
        ),
    ] = False
    grid_rows: Annotated[
        int,
        SettingParam(
            label="Grid row count; use -1 for autodetect and 0 for it to be same as batch size",
            restart=False,
            a1111="n_rows",
            control="slider",
            minimum=-1,
            maximum=16,
            step=1,
            help="Autodetect makes grids about as high as wide, counted in pictures.",
        ),
    ] = -1
    grid_full: Annotated[
        bool,
        SettingParam(
            label="Prevent empty spots in grid (when set to autodetect)",
            restart=False,
            a1111="grid_prevent_empty_spots",
            control="checkbox",
            help="Take fewer rows instead, so that every place has a picture.",
        ),
    ] = False


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
    saving: Saving = Saving()
    prompts: Prompts = Prompts()
    jobs: Jobs = Jobs()
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
    "device": Device,
}
GROUPS: dict[str, str] = {
    "server": "Server",
    "paths": "Folders",
    "saving": "Saving pictures",
    "prompts": "Prompts",
    "jobs": "Drawing",
    "device": "Device",
}
"""What each section is called on the page."""
