"""Names of samplers, schedules and noise sources; the numerics live in ``webui.engine``.

The server offers and checks these names without importing torch, so they are declared here once;
``tests/architecture`` checks that the engine implements exactly this list.
"""

from __future__ import annotations

from dataclasses import dataclass

from webui.core.registry import Registry


@dataclass(frozen=True, slots=True)
class SamplerInfo:
    """What a sampler's user has to know.

    ``schedule`` is what "Automatic" means for it (as in A1111; a few have levels of their own
    instead); ``evaluations`` how many model evaluations one step takes; ``stochastic`` whether it
    draws fresh noise on its way, unless told not to; ``discard_penultimate`` whether it leaves out
    the last noise level above zero by itself; ``needs_negative`` whether it wants the negative
    prompt evaluated at CFG scale 1, too.
    """

    name: str
    schedule: str = "Uniform"
    evaluations: int = 1
    stochastic: bool = False
    discard_penultimate: bool = False
    needs_negative: bool = False


SAMPLERS: Registry[SamplerInfo] = Registry("sampler")
SCHEDULES: Registry[str] = Registry("schedule type")
NOISE_SOURCES: Registry[str] = Registry("noise source")
NOISE_SCHEDULES: Registry[str] = Registry("noise schedule")
EMPHASIS_MODES: Registry[str] = Registry("emphasis mode")
UNIPC_VARIANTS: Registry[str] = Registry("UniPC variant")
UNIPC_SKIPS: Registry[str] = Registry("UniPC skip type")


def _sampler(
    name: str,
    *aliases: str,
    schedule: str = "Uniform",
    evaluations: int = 1,
    stochastic: bool = False,
    discard: bool = False,
    needs_negative: bool = False,
) -> None:
    info = SamplerInfo(name, schedule, evaluations, stochastic, discard, needs_negative)
    SAMPLERS.add(name, info, aliases=aliases)


_sampler("DPM++ 2M", "k_dpmpp_2m", schedule="Karras")
_sampler("DPM++ SDE", "k_dpmpp_sde", schedule="Karras", evaluations=2, stochastic=True)
_sampler("DPM++ 2M SDE", "k_dpmpp_2m_sde", schedule="Exponential", stochastic=True)
_sampler("DPM++ 2M SDE Heun", "k_dpmpp_2m_sde_heun", schedule="Exponential", stochastic=True)
_sampler("DPM++ 2S a", "k_dpmpp_2s_a", schedule="Karras", evaluations=2, stochastic=True)
_sampler("DPM++ 3M SDE", "k_dpmpp_3m_sde", schedule="Exponential", stochastic=True, discard=True)
_sampler("Euler a", "k_euler_a", "k_euler_ancestral", stochastic=True)
_sampler("Euler", "k_euler")
_sampler("LMS", "k_lms")
_sampler("Heun", "k_heun", evaluations=2)
_sampler("HeunPP2", "k_heunpp2", "Heun++ 2", evaluations=3)
_sampler("DPM2", "k_dpm_2", schedule="Karras", evaluations=2, discard=True)
_sampler("DPM2 a", "k_dpm_2_a", schedule="Karras", evaluations=2, stochastic=True, discard=True)
_sampler("DPM fast", "k_dpm_fast", schedule="Exponential", stochastic=True)
_sampler("DPM adaptive", "k_dpm_ad", schedule="Exponential", stochastic=True)
_sampler("Restart", "k_restart", schedule="Karras", evaluations=2, stochastic=True)
_sampler("IPNDM", "k_ipndm")
_sampler("IPNDM_V", "k_ipndm_v")
_sampler("DEIS", "k_deis")
_sampler("DDPM", "k_ddpm", stochastic=True)
_sampler("DDIM", "k_ddim", schedule="DDIM")
_sampler("DDIM CFG++", "ddim_cfgpp", schedule="DDIM", needs_negative=True)
_sampler("PLMS", "k_plms", schedule="DDIM")
_sampler("UniPC", "uni_pc")
_sampler("LCM", "k_lcm", stochastic=True)
_sampler("TCD", "k_tcd", stochastic=True)

SCHEDULES.add("Automatic", "Automatic")
SCHEDULES.add("Uniform", "Uniform")
SCHEDULES.add("Karras", "Karras")
SCHEDULES.add("Exponential", "Exponential")
SCHEDULES.add("Polyexponential", "Polyexponential")
SCHEDULES.add("SGM Uniform", "SGM Uniform", aliases=("sgm_uniform", "SGMUniform"))
SCHEDULES.add("KL Optimal", "KL Optimal", aliases=("kl_optimal",))
SCHEDULES.add("Align Your Steps", "Align Your Steps", aliases=("align_your_steps",))
SCHEDULES.add("Simple", "Simple")
SCHEDULES.add("Normal", "Normal")
SCHEDULES.add("DDIM", "DDIM", aliases=("ddim_uniform",))
SCHEDULES.add("Beta", "Beta")
SCHEDULES.add("Turbo", "Turbo")
for _name in ("Align Your Steps GITS", "Align Your Steps 11", "Align Your Steps 32"):
    SCHEDULES.add(_name, _name, aliases=(_name.replace(" ", "_"),))

NOISE_SOURCES.add("NV", "NV", aliases=("philox",))
NOISE_SOURCES.add("CPU", "CPU")
NOISE_SOURCES.add("GPU", "GPU")

for _name in ("Default", "Zero Terminal SNR"):
    NOISE_SCHEDULES.add(_name, _name)
for _name in ("Original", "No norm", "None", "Ignore"):
    EMPHASIS_MODES.add(_name, _name)
for _name in ("bh1", "bh2", "vary_coeff"):
    UNIPC_VARIANTS.add(_name, _name)
for _name in ("time_uniform", "time_quadratic", "logSNR"):
    UNIPC_SKIPS.add(_name, _name)


def split_schedule(sampler: str) -> tuple[str, str | None]:
    """Split an old combined name: "DPM++ 2M Karras" → ("DPM++ 2M", "Karras").

    A1111 before 1.9 wrote the schedule behind the sampler; both spellings stay accepted, and so do
    a schedule's other names there.
    """
    if sampler in SAMPLERS:
        return sampler, None
    words = sampler.split()
    for count in range(len(words) - 1, 0, -1):
        head, tail = " ".join(words[:count]), " ".join(words[count:])
        if head in SAMPLERS and tail in SCHEDULES:
            return head, SCHEDULES.canonical(tail)
    return sampler, None
