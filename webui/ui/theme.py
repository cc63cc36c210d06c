"""Easel's look as Gradio theme variables: charcoal and paper, one accent colour, local fonts."""

from __future__ import annotations

from gradio import themes

ACCENT = themes.Color(
    name="easel-accent",
    c50="#effaf7",
    c100="#d5f3ea",
    c200="#aee7d8",
    c300="#79d5c0",
    c400="#43bda5",
    c500="#1f9f89",
    c600="#12806f",
    c700="#10665a",
    c800="#115149",
    c900="#10433d",
    c950="#052823",
)
NEUTRAL = themes.Color(
    name="easel-neutral",
    c50="#f8f8f6",
    c100="#f0f0ed",
    c200="#e3e3df",
    c300="#cfcfca",
    c400="#a3a49f",
    c500="#74767a",
    c600="#54575d",
    c700="#3a3d44",
    c800="#262930",
    c900="#1b1d23",
    c950="#131519",
)


def build() -> themes.Base:
    """The theme; light and dark follow the system."""
    theme = themes.Base(
        primary_hue=ACCENT,
        secondary_hue=ACCENT,
        neutral_hue=NEUTRAL,
        radius_size=themes.sizes.radius_md,
        spacing_size=themes.sizes.spacing_md,
        text_size=themes.sizes.text_md,
        font=[
            themes.LocalFont("IBM Plex Sans", weights=(400, 700)),
            themes.Font("system-ui"),
            themes.Font("sans-serif"),
        ],
        font_mono=[themes.Font("ui-monospace"), themes.Font("monospace")],
    )
    return theme.set(**_surfaces(), **_inputs(), **_buttons())


def _surfaces() -> dict[str, str]:
    return {
        "body_background_fill": "*neutral_100",
        "body_background_fill_dark": "*neutral_950",
        "body_text_color": "*neutral_900",
        "body_text_color_dark": "*neutral_100",
        "body_text_color_subdued": "*neutral_600",
        "body_text_color_subdued_dark": "*neutral_400",
        "background_fill_primary": "white",
        "background_fill_primary_dark": "*neutral_900",
        "background_fill_secondary": "*neutral_50",
        "background_fill_secondary_dark": "*neutral_900",
        "border_color_primary": "*neutral_200",
        "border_color_primary_dark": "*neutral_700",
        "block_background_fill": "white",
        "block_background_fill_dark": "*neutral_900",
        "block_border_width": "0px",
        "block_border_width_dark": "0px",
        "block_shadow": "none",
        "block_padding": "8px 12px",
        "block_radius": "10px",
        "block_title_text_color": "*neutral_600",
        "block_title_text_color_dark": "*neutral_300",
        "block_title_text_size": "*text_sm",
        "block_title_text_weight": "400",
        "block_info_text_color": "*neutral_600",
        "block_info_text_color_dark": "*neutral_400",
        "color_accent": "*primary_600",
        "color_accent_soft": "*primary_50",
        "color_accent_soft_dark": "*primary_950",
        "layout_gap": "12px",
        "form_gap_width": "0px",
    }


def _inputs() -> dict[str, str]:
    return {
        "input_background_fill": "*neutral_50",
        "input_background_fill_dark": "*neutral_800",
        "input_background_fill_focus": "white",
        "input_background_fill_focus_dark": "*neutral_800",
        "input_border_color": "*neutral_300",
        "input_border_color_dark": "*neutral_700",
        "input_border_color_focus": "*primary_600",
        "input_border_color_focus_dark": "*primary_400",
        "input_border_width": "1px",
        "input_radius": "8px",
        "input_shadow": "none",
        "input_placeholder_color": "*neutral_600",
        "input_placeholder_color_dark": "*neutral_400",
        "slider_color": "*primary_600",
        "slider_color_dark": "*primary_400",
    }


def _buttons() -> dict[str, str]:
    return {
        "button_primary_background_fill": "*primary_600",
        "button_primary_background_fill_hover": "*primary_700",
        "button_primary_background_fill_dark": "*primary_400",
        "button_primary_background_fill_hover_dark": "*primary_300",
        "button_primary_border_color": "transparent",
        "button_primary_border_color_dark": "transparent",
        "button_primary_text_color": "white",
        "button_primary_text_color_dark": "*primary_950",
        "button_secondary_background_fill": "*neutral_200",
        "button_secondary_background_fill_hover": "*neutral_300",
        "button_secondary_background_fill_dark": "*neutral_800",
        "button_secondary_background_fill_hover_dark": "*neutral_700",
        "button_secondary_border_color": "transparent",
        "button_secondary_border_color_dark": "*neutral_700",
        "button_secondary_text_color": "*neutral_900",
        "button_secondary_text_color_dark": "*neutral_100",
        "button_secondary_text_color_hover": "*neutral_900",
        "button_secondary_text_color_hover_dark": "*neutral_100",
        "button_large_radius": "8px",
        "button_small_radius": "8px",
        "button_medium_radius": "8px",
    }
