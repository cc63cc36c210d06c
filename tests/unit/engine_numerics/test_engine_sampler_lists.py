from __future__ import annotations

from webui.core.samplers import NOISE_SOURCES, SAMPLERS, SCHEDULES
from webui.engine.noise import NoiseStream
from webui.engine.samplers.schedules import SCHEDULE_FUNCTIONS
from webui.engine.samplers.solvers import SOLVERS


def test_engine_implements_exactly_the_samplers_the_server_offers() -> None:
    assert set(SOLVERS.names()) == set(SAMPLERS.names())


def test_engine_implements_exactly_the_schedules_the_server_offers() -> None:
    assert {"Automatic", *SCHEDULE_FUNCTIONS.names()} == set(SCHEDULES.names())


def test_every_samplers_own_schedule_exists() -> None:
    assert {sampler.schedule for sampler in SAMPLERS} <= set(SCHEDULE_FUNCTIONS.names())


def test_every_noise_source_draws() -> None:
    draws = {name: NoiseStream(1, (4, 8, 8), name)() for name in NOISE_SOURCES.names()}
    assert all(abs(noise.std().item() - 1) < 0.2 for noise in draws.values())
