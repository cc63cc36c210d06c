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

    ``schedule`` is what "Automatic" means for it (as in A1111); ``evaluations`` how many model
    evaluations one step takes; ``stochastic`` whether it draws fresh noise on its way.
    """

    name: str
    schedule: str = "Uniform"
    evaluations: int = 1
    stochastic: bool = False


SAMPLERS: Registry[SamplerInfo] = Registry("sampler")
SCHEDULES: Registry[str] = Registry("schedule type")
NOISE_SOURCES: Registry[str] = Registry("noise source")

SAMPLERS.add("Euler a", SamplerInfo("Euler a", stochastic=True), aliases=("k_euler_a",))
SAMPLERS.add("Euler", SamplerInfo("Euler"), aliases=("k_euler",))
SAMPLERS.add("Heun", SamplerInfo("Heun", evaluations=2), aliases=("k_heun",))
SAMPLERS.add("LMS", SamplerInfo("LMS"), aliases=("k_lms",))
SAMPLERS.add("DPM++ 2M", SamplerInfo("DPM++ 2M", schedule="Karras"), aliases=("k_dpmpp_2m",))
SAMPLERS.add(
    "DPM++ 2M SDE",
    SamplerInfo("DPM++ 2M SDE", schedule="Exponential", stochastic=True),
    aliases=("k_dpmpp_2m_sde",),
)
SAMPLERS.add("DDIM", SamplerInfo("DDIM", schedule="DDIM"))

SCHEDULES.add("Automatic", "Automatic")
SCHEDULES.add("Uniform", "Uniform")
SCHEDULES.add("Karras", "Karras")
SCHEDULES.add("Exponential", "Exponential")
SCHEDULES.add("SGM Uniform", "SGM Uniform", aliases=("sgm_uniform", "SGMUniform"))
SCHEDULES.add("Simple", "Simple")
SCHEDULES.add("DDIM", "DDIM", aliases=("ddim_uniform",))

NOISE_SOURCES.add("NV", "NV", aliases=("philox",))
NOISE_SOURCES.add("CPU", "CPU")
NOISE_SOURCES.add("GPU", "GPU")


def split_schedule(sampler: str) -> tuple[str, str | None]:
    """Split an old combined name: "DPM++ 2M Karras" → ("DPM++ 2M", "Karras").

    A1111 before 1.9 wrote the schedule behind the sampler; both spellings stay accepted.
    """
    if sampler in SAMPLERS:
        return sampler, None
    for schedule in SCHEDULES.names():
        head = sampler.strip()[: -len(schedule)].strip()
        if sampler.strip().casefold().endswith(" " + schedule.casefold()) and head in SAMPLERS:
            return head, schedule
    return sampler, None
