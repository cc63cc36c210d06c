"""``/metrics`` for Prometheus: what the server and its worker do, as numbers.

The package ``prometheus-client`` is optional; without it, or with the setting off, the path answers
404. Labels take few values: states, outcomes, stages, methods, statuses, and the templates of our
own routes (``/api/v1/jobs/{job_id}``, never an id); whatever the page's framework answers is one.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import psutil
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware

from webui.api.gate import METRICS_PATH, Gate, Scope
from webui.core.errors import Forbidden, NotFound, StorageError
from webui.jobs.tally import BOUNDS
from webui.library.finding import Wanted

if TYPE_CHECKING:
    from webui.api.guard import App, Message, Receive, Send
    from webui.core.messages import WorkerStats
    from webui.services import Services

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
HTTP_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the classes that answers' seconds are counted in."""


class Metrics:
    """The route, what counts HTTP requests, and the numbers themselves.

    ``wanted`` is the setting ``server.metrics``; nothing is counted without it.
    """

    def __init__(self, services: Services, gate: Gate, *, wanted: bool) -> None:
        self._gate = gate
        self._wanted = wanted
        self._client = _client() if wanted else None
        self._registry: Any = None
        self._seconds: Any = None
        if self._client is not None:
            self._registry = self._client.CollectorRegistry(auto_describe=False)
            self._registry.register(_Collector(self._client, services))
            self._seconds = self._client.Histogram(
                "easel_http_request_seconds",
                "Seconds from a request's arrival to the end of its answer.",
                ("method", "route", "status"),
                buckets=HTTP_BOUNDS,
                registry=self._registry,
            )

    def middleware(self) -> list[Middleware]:
        """What counts requests, where they are counted."""
        return [] if self._seconds is None else [Middleware(_Meter, seconds=self._seconds)]

    def router(self) -> APIRouter:
        """The route."""
        router = APIRouter()
        router.add_api_route(METRICS_PATH, self.metrics, methods=["GET"], include_in_schema=False)
        return router

    async def metrics(self, request: Request) -> Response:
        """Everything counted, in Prometheus' text format; for administrators, and without a login
        for the addresses in server.metrics_addresses."""
        caller = request.state.caller
        known = self._gate.reads_metrics(request.scope, request.headers)
        if not known and not (caller and caller.is_admin):
            raise Forbidden("Metrics are for administrators and server.metrics_addresses.")
        if self._client is None:
            raise NotFound(
                "Metrics need the package prometheus-client; install it and start Easel again."
                if self._wanted
                else "Metrics are off; server.metrics turns them on."
            )
        text = await run_in_threadpool(self._client.generate_latest, self._registry)
        headers = {"cache-control": "no-store"}
        return Response(text, headers=headers, media_type=self._client.CONTENT_TYPE_LATEST)


def _client() -> Any:
    """The optional package, None where it is not installed."""
    try:
        return importlib.import_module("prometheus_client")
    except ImportError:
        return None


class _Meter:
    """Measures every HTTP request by method, route and status."""

    def __init__(self, app: App, seconds: Any) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        begun = time.perf_counter()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            labels = (method, route_of(scope), str(status))
            self._seconds.labels(*labels).observe(time.perf_counter() - begun)


def route_of(scope: Scope) -> str:
    """The template of the route of ours that answered; "page" for the mounted page, "none" for
    what no route took (refused at the gate, or not there)."""
    if "app_root_path" in scope:  # set by what mounts applications
        return "page"
    return getattr(scope.get("route"), "path", "none")


class _Collector:
    """Reads queue, worker, library and memory whenever they are asked for."""

    def __init__(self, client: Any, services: Services) -> None:
        self._core = importlib.import_module(f"{client.__name__}.core")
        self._services = services

    def collect(self) -> Iterator[Any]:
        """Every metric but those of HTTP."""
        yield from self._queue()
        yield from self._worker()
        yield from self._memory()
        yield from self._library()

    def _queue(self) -> Iterator[Any]:
        queue = self._services.queue
        yield self._gauge("easel_jobs", "Jobs in the queue, by state.", "state", queue.counts())
        figures = queue.tally.figures()
        yield self._counter("easel_jobs_finished", "Jobs that ended.", "outcome", figures.finished)
        stages = self._core.HistogramMetricFamily(
            "easel_job_stage_seconds",
            "Seconds that jobs waited and ran, and that saving each picture took.",
            labels=["stage"],
        )
        bounds = [*map(repr, BOUNDS), "+Inf"]
        for stage, spread in figures.stages.items():
            buckets = list(zip(bounds, accumulate(spread.counts), strict=True))
            stages.add_metric([stage], buckets, sum_value=spread.total)
        yield stages
        yield self._counter("easel_steps", "Sampling steps done.", "", {"": figures.steps})
        yield self._counter("easel_pictures", "Pictures saved.", "", {"": figures.pictures})

    def _worker(self) -> Iterator[Any]:
        status = self._services.queue.status
        yield self._gauge("easel_worker_up", "1 while the worker can draw.", "",
                          {"": int(status.availability == "ready")})  # fmt: skip
        yield self._counter("easel_worker_restarts", "Workers that ended.", "",
                            {"": status.restarts})  # fmt: skip
        if status.stats is not None:
            yield from self._caches(status.stats)

    def _caches(self, stats: WorkerStats) -> Iterator[Any]:
        yield self._counter(
            "easel_cache_hits",
            "Uses of what the worker had at hand: texts encoded, parts of models loaded.",
            "cache",
            {"embedding": stats.embedding_hits, "model": stats.model_hits},
        )
        yield self._counter(
            "easel_cache_misses",
            "Texts that had to be encoded, parts of models that had to be loaded.",
            "cache",
            {"embedding": stats.embedding_misses, "model": stats.model_loads},
        )
        yield self._counter(
            "easel_forwards", "Forward passes of this worker.", "", {"": stats.forwards}
        )
        yield self._gauge(
            "easel_model_bytes", "Bytes of the models the worker holds.", "",
            {"": stats.cached_bytes},
        )  # fmt: skip

    def _memory(self) -> Iterator[Any]:
        ready = self._services.queue.status.ready
        pids = {"server": os.getpid()} | ({"worker": ready.pid} if ready else {})
        found = {name: memory for name, pid in pids.items() if (memory := _resident(pid))}
        yield self._gauge(
            "easel_memory_bytes", "Resident memory of the processes.", "process", found
        )

    def _library(self) -> Iterator[Any]:
        try:
            total = self._services.library.gallery.find(Wanted(limit=1)).total
        except StorageError:  # the other numbers are worth having without it
            return
        yield self._gauge("easel_library_pictures", "Pictures in the library.", "", {"": total})

    def _gauge(self, name: str, text: str, label: str, values: Any) -> Any:
        return _filled(self._core.GaugeMetricFamily, name, text, label, values)

    def _counter(self, name: str, text: str, label: str, values: Any) -> Any:
        return _filled(self._core.CounterMetricFamily, name, text, label, values)


def _filled(family: Any, name: str, text: str, label: str, values: Any) -> Any:
    """A family with one value for each of a label's, or one without a label."""
    found = family(name, text, labels=[label] if label else [])
    for value, number in values.items():
        found.add_metric([value] if label else [], float(number))
    return found


def _resident(pid: int) -> int:
    """Bytes of memory that a process occupies, 0 for one that is gone."""
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0
