"""Samplers, schedules and models as other programs name them, in A1111's words.

ComfyUI, Fooocus, NovelAI and InvokeAI call samplers after k-diffusion's or diffusers' functions
("dpmpp_2m", "k_euler_ancestral"), A1111 after their authors ("DPM++ 2M", "Euler a").
"""

from __future__ import annotations

from webui.core.samplers import SAMPLERS

_SAMPLERS = {
    "euler": "Euler",
    "euler_a": "Euler a",
    "euler_ancestral": "Euler a",
    "heun": "Heun",
    "heunpp2": "HeunPP2",
    "lms": "LMS",
    "dpm_2": "DPM2",
    "dpm_2_ancestral": "DPM2 a",
    "kdpm_2": "DPM2",
    "kdpm_2_a": "DPM2 a",
    "dpm_fast": "DPM fast",
    "dpm_adaptive": "DPM adaptive",
    "dpmpp_2s_ancestral": "DPM++ 2S a",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_heun": "DPM++ 2M SDE Heun",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "ddpm": "DDPM",
    "ddim": "DDIM",
    "plms": "PLMS",
    "pndm": "PLMS",
    "unipc": "UniPC",
    "uni_pc": "UniPC",
    "uni_pc_bh2": "UniPC",
    "deis": "DEIS",
    "ipndm": "IPNDM",
    "ipndm_v": "IPNDM_V",
    "restart": "Restart",
    "lcm": "LCM",
    "tcd": "TCD",
}
_SCHEDULES = {
    "normal": "Normal",
    "karras": "Karras",
    "exponential": "Exponential",
    "polyexponential": "Polyexponential",
    "sgm_uniform": "SGM Uniform",
    "simple": "Simple",
    "ddim_uniform": "DDIM",
    "beta": "Beta",
    "turbo": "Turbo",
    "kl_optimal": "KL Optimal",
    "align_your_steps": "Align Your Steps",
}
_ENDINGS = ("safetensors", "ckpt", "pt", "pth", "bin", "gguf", "sft")
_CURVED = ("Karras", "Exponential")


def sampler_name(name: str) -> str:
    """A sampler in A1111's words; one that is not known stays as it is."""
    plain = name.strip().casefold().removeprefix("sample_").removeprefix("k_").removesuffix("_gpu")
    return _SAMPLERS.get(plain, name)


def schedule_name(name: str) -> str:
    """A schedule in A1111's words; one that is not known stays as it is."""
    return _SCHEDULES.get(name.strip().casefold(), name)


def plain_schedule(sampler: str) -> str:
    """What a sampler's name alone meant before schedules had a place of their own.

    "DPM++ 2M" then had the model's own noise levels ("Uniform"), where "Automatic" now means
    Karras's for it. Restart had Karras's from the start.
    """
    if sampler not in SAMPLERS or SAMPLERS.canonical(sampler) == "Restart":
        return "Automatic"
    return "Uniform" if SAMPLERS.get(sampler).schedule in _CURVED else "Automatic"


def model_name(name: str) -> str:
    """A model's file as prompts and infotexts write it: no ending, ``/`` between folders."""
    whole = name.strip().replace("\\", "/")
    stem, dot, ending = whole.rpartition(".")
    return stem if dot and ending.casefold() in _ENDINGS else whole
