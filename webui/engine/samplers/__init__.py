"""Solvers and schedules, by the names of ``core.samplers``; ``plan`` makes a request's plan."""
