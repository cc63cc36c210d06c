"""How a sampler runs, beyond its name: noise it adds, levels it visits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.params import Param
from webui.core.picture_fields import PictureFields


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingFields(PictureFields):
    """The sampler's parameters, under A1111's names; the defaults change nothing."""

    eta: Annotated[
        float | None,
        Param(
            label="Eta",
            control="number",
            minimum=0.0,
            maximum=1.0,
            step=0.01,
            section="sampling",
            infotext="Eta",
            a1111="eta",
            help="How much fresh noise each step adds; empty means as much as the sampling "
            "method does by itself.",
        ),
    ] = None
    s_churn: Annotated[
        float,
        Param(
            label="Sigma churn",
            control="slider",
            minimum=0.0,
            maximum=100.0,
            step=0.01,
            section="sampling",
            infotext="Sigma churn",
            a1111="s_churn",
            help="Noise added before each step, in all; for methods that allow it (Karras et "
            "al. 2022).",
        ),
    ] = 0.0
    s_tmin: Annotated[
        float,
        Param(
            label="Sigma tmin",
            control="slider",
            minimum=0.0,
            maximum=10.0,
            step=0.01,
            section="sampling",
            infotext="Sigma tmin",
            a1111="s_tmin",
            help="Noise is added only above this noise level.",
        ),
    ] = 0.0
    s_tmax: Annotated[
        float,
        Param(
            label="Sigma tmax",
            control="slider",
            minimum=0.0,
            maximum=999.0,
            step=0.01,
            section="sampling",
            infotext="Sigma tmax",
            a1111="s_tmax",
            help="Noise is added only below this noise level; 0 means everywhere.",
        ),
    ] = 0.0
    s_noise: Annotated[
        float,
        Param(
            label="Sigma noise",
            control="slider",
            minimum=0.0,
            maximum=1.1,
            step=0.001,
            section="sampling",
            infotext="Sigma noise",
            a1111="s_noise",
            help="How strong added noise is.",
        ),
    ] = 1.0
    ensd: Annotated[
        int,
        Param(
            label="Eta noise seed delta",
            control="number",
            minimum=0,
            maximum=2147483647,
            step=1,
            section="sampling",
            infotext="ENSD",
            a1111="eta_noise_seed_delta",
            help="Added to the seed of the noise that steps add; 31337 repeats pictures of "
            "NovelAI.",
        ),
    ] = 0
    discard_penultimate: Annotated[
        bool,
        Param(
            label="Always discard next-to-last sigma",
            control="checkbox",
            section="sampling",
            infotext="Discard penultimate sigma",
            a1111="always_discard_next_to_last_sigma",
            help="Leave out the last noise level before zero.",
        ),
    ] = False
    sigma_min: Annotated[
        float,
        Param(
            label="Schedule min sigma",
            control="number",
            minimum=0.0,
            maximum=1000.0,
            step=0.001,
            section="sampling",
            infotext="Schedule min sigma",
            a1111="sigma_min",
            help="The least noise level above zero; 0 means the model's own.",
        ),
    ] = 0.0
    sigma_max: Annotated[
        float,
        Param(
            label="Schedule max sigma",
            control="number",
            minimum=0.0,
            maximum=10000.0,
            step=0.001,
            section="sampling",
            infotext="Schedule max sigma",
            a1111="sigma_max",
            help="The noise level to start from; 0 means the model's own.",
        ),
    ] = 0.0
    rho: Annotated[
        float,
        Param(
            label="Schedule rho",
            control="number",
            minimum=0.0,
            maximum=100.0,
            step=0.01,
            section="sampling",
            infotext="Schedule rho",
            a1111="rho",
            help="How the Karras and polyexponential schedules bend; 0 means as usual (7 and 1).",
        ),
    ] = 0.0
    beta_alpha: Annotated[
        float,
        Param(
            label="Beta schedule alpha",
            control="slider",
            minimum=0.05,
            maximum=10.0,
            step=0.01,
            section="sampling",
            infotext="Beta schedule alpha",
            a1111="beta_dist_alpha",
            help="First parameter of the Beta schedule.",
        ),
    ] = 0.6
    beta_beta: Annotated[
        float,
        Param(
            label="Beta schedule beta",
            control="slider",
            minimum=0.05,
            maximum=10.0,
            step=0.01,
            section="sampling",
            infotext="Beta schedule beta",
            a1111="beta_dist_beta",
            help="Second parameter of the Beta schedule.",
        ),
    ] = 0.6
    unipc_variant: Annotated[
        str,
        Param(
            label="UniPC variant",
            control="choice",
            choices="unipc_variants",
            max_chars=20,
            section="sampling",
            infotext="UniPC variant",
            a1111="uni_pc_variant",
            help="Which B(h) UniPC uses, or varying coefficients.",
        ),
    ] = "bh1"
    unipc_skip: Annotated[
        str,
        Param(
            label="UniPC skip type",
            control="choice",
            choices="unipc_skips",
            max_chars=20,
            section="sampling",
            infotext="UniPC skip type",
            a1111="uni_pc_skip_type",
            help="How UniPC spaces its timesteps when the schedule type is Automatic.",
        ),
    ] = "time_uniform"
    unipc_order: Annotated[
        int,
        Param(
            label="UniPC order",
            control="slider",
            minimum=1,
            maximum=8,
            step=1,
            section="sampling",
            infotext="UniPC order",
            a1111="uni_pc_order",
            help="How many earlier evaluations UniPC uses.",
        ),
    ] = 3
    unipc_lower_order_final: Annotated[
        bool,
        Param(
            label="UniPC lower order final",
            control="checkbox",
            section="sampling",
            infotext="UniPC lower order final",
            a1111="uni_pc_lower_order_final",
            help="Use fewer earlier evaluations in the last steps, which is steadier.",
        ),
    ] = True
    noise_schedule: Annotated[
        str,
        Param(
            label="Noise schedule",
            control="choice",
            choices="noise_schedules",
            max_chars=40,
            section="sampling",
            infotext="Noise Schedule",
            a1111="sd_noise_schedule",
            help="Zero Terminal SNR starts from pure noise, for models trained so.",
        ),
    ] = "Default"
