"""Every sampler: its order of convergence, how far it is from a reference, what a step costs.

The order is measured on a flow whose solution is known (``tests/unit/engine_numerics``), without
noise. The difference is that of the final latents from k-diffusion's function or diffusers'
scheduler, run on the same levels, noise and denoiser. Prints a Markdown table and writes
``results/samplers.json``.
"""

from __future__ import annotations

from typing import Any

from benchmarks.common import report
from tests.unit.engine_numerics import known_flow, references
from tests.unit.engine_numerics.references import of_diffusers, of_k_diffusion, ours
from tests.unit.engine_numerics.toys import LEVELS, GaussianDenoiser, draw, sigmas
from webui.core.samplers import SAMPLERS

STEPS = 20
SCHEDULES = {"UniPC": "KL Optimal"}
"""Where a reference cannot take a sampler's own levels."""
MEASURED = {"UniPC": "UniPC, bh2, order 3"}
"""Which variant's order is told."""


def main() -> None:
    """Measure and print."""
    rows = {name: measure(name) for name in SAMPLERS.names()}
    print("| sampler | order measured | difference from reference | evaluations per step |")
    print("|---|---|---|---|")
    for name, row in rows.items():
        order = "–" if row["order"] is None else f"{row['order']:.2f}"
        told = [f"{label} {value:.0e}" for label, value in row["difference"].items()]
        print(f"| {name} | {order} | {', '.join(told) or '–'} | {row['evaluations']:.2f} |")
    report("samplers", rows)


def measure(sampler: str) -> dict[str, Any]:
    """One sampler's figures."""
    named = MEASURED.get(sampler, sampler)
    order = known_flow.order(known_flow.ORDERS[named][0]) if named in known_flow.ORDERS else None
    model = GaussianDenoiser()
    draw(model, sampler=sampler, steps=STEPS, scale=1.0)
    return {
        "order": order,
        "difference": differences(sampler),
        "evaluations": len(model.rows) / STEPS,
    }


def differences(sampler: str) -> dict[str, float]:
    """‖ours − reference‖ / ‖reference‖ for each reference there is."""
    schedule = SCHEDULES.get(sampler, "Automatic")
    levels = sigmas(schedule, LEVELS, STEPS, sampler)
    found, result = ours(sampler, schedule, STEPS), {}
    for label, known, of in (
        ("k-diffusion", references.K_DIFFUSION, of_k_diffusion),
        ("diffusers", COMPARED, of_diffusers),
    ):
        if sampler in known:
            expected = of(sampler, levels)
            result[label] = ((found - expected).norm() / expected.norm()).item()
    return result


COMPARED = {"DDIM", "PLMS", "UniPC", "LCM"}
"""The others are compared on other levels, or with another clock, by the tests alone."""


if __name__ == "__main__":
    main()
