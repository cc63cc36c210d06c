"""The settings of finished pictures; see ``webui.settings.sections``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.results import ImageFormat
from webui.settings.param import SettingParam


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
