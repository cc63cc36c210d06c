"""The composition root: every service is constructed once, here, and closed in reverse order."""

from __future__ import annotations

import logging
import os
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from webui import __version__
from webui.catalog import Catalog
from webui.core.errors import EaselError, SetupError
from webui.core.messages import JobImage
from webui.core.requests import DrawRequest, Request, Series, Upscale
from webui.core.results import LOCAL_CALLER, JobEvent, SavedImage
from webui.core.seeds import variation_seed
from webui.jobs import Executor, InlineExecutor, Job, JobQueue, Journal, LocalExecutor
from webui.jobs.adapters import hash_keys
from webui.jobs.completing import Completer
from webui.jobs.enlarging import keep_enlarged
from webui.jobs.series import grids_of, origin_of
from webui.jobs.supplying import SupplyingExecutor
from webui.library import Library
from webui.library.inputs import Inputs
from webui.library.wildcards import WildcardFolder
from webui.metadata import exact_text, infotext
from webui.services import Services
from webui.settings import Settings

WORKER = "webui.engine.worker"
SHARED_JOBS = 8
HASH_SECONDS = 0.25
log = logging.getLogger(__name__)


@contextmanager
def open_services(
    settings: Settings, *, journal: Path | None = None, worker: str = WORKER, url: str = ""
) -> Iterator[Services]:
    """Every service of one running Easel; leaving closes them in reverse order.

    ``journal`` is the folder of the queue's journal and of the pictures that its jobs start from
    (default: the data folder, which one instance at a time may use); ``worker`` the module that
    draws; ``url`` where the page is, told to a second instance.
    """
    for folder in (settings.paths.data, settings.paths.outputs):
        _make(folder)
    with ExitStack() as stack:
        catalog = Catalog(
            settings.paths.models,
            cache=settings.paths.data,
            installation=settings.paths.installation,
        )
        stack.callback(catalog.close)
        library = Library(settings.paths.outputs, settings.paths.data, settings.saving)
        stack.callback(library.close)
        wildcards = (
            WildcardFolder(settings.paths.data / "wildcards")
            if settings.prompts.wildcards
            else None
        )
        folder = (journal or settings.paths.data) / "inputs"
        inputs = Inputs(folder, in_use=lambda: queue.inputs())  # noqa: PLW0108  it comes later
        record = Journal(journal or settings.paths.data, url=url)
        for sentence in library.warnings:
            log.warning("%s", sentence)
        read = wildcards.wildcards if wildcards else None
        completer = Completer(catalog, read, inputs, settings.upscaling)
        queue = JobQueue(
            record,
            SupplyingExecutor(make_executor(settings, worker), inputs.data),
            resolve=completer,
            keep=_keeper(catalog, library, inputs),
            round_off=partial(grids_of, library),
            capacity=SHARED_JOBS if settings.jobs.batching == "shared" else 1,
            preview_every=settings.jobs.preview_every,
            limits=settings.limits,
            start_size=inputs.size,
        )
        stack.callback(queue.close)
        yield Services(settings, catalog, library, queue, inputs, wildcards, completer)


def draw(settings: Settings, request: Request | Callable[[Inputs], Request]) -> Iterator[JobEvent]:
    """Draw without a server, beside any that may run: the job's events until its end.

    What starts from pictures is made of the folder that they are put into.
    """
    with (
        TemporaryDirectory(prefix="easel-") as journal,
        open_services(settings, journal=Path(journal), worker=worker_module()) as services,
    ):
        queue = services.queue
        seen = queue.last_seq
        wanted = request(services.inputs) if callable(request) else request
        job = queue.submit(wanted, caller=LOCAL_CALLER)
        ended = False
        while not ended:
            for event in queue.events(seen, timeout=1.0, job_id=job.id):
                seen = event.seq
                ended = event.kind in ("done", "failed", "cancelled")
                yield event


def serve(settings: Settings) -> int:
    """Serve the page until told to stop; returns the exit status.

    The port and the data folder are taken first, so that a second start says so at once. The worker
    is started when the page is being served.
    """
    from webui import api, ui

    _log_to_terminal()
    people = api.credentials(settings)
    with ExitStack() as stack:
        listener = api.bind(settings.server.host, settings.server.port)
        stack.callback(listener.close)
        services = stack.enter_context(
            open_services(settings, worker=worker_module(), url=listener.url)
        )
        if people.generated:
            (user, password), *_ = people.auth
            _say(f"Log in as {user} with the password {password}")
        application = api.create_app(services, settings, auth=people.auth)
        ui.mount(application, services, settings, mcp=settings.server.mcp)

        def ready(address: str) -> None:
            _say(f"Easel is at {address}")
            if settings.server.mcp:
                _say(f"Agents draw by MCP at {address}/gradio_api/mcp/")
            services.queue.start()
            if settings.server.browser:
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

        share = api.Share(ui.share_tunnel, _shared, _say) if settings.server.share else None
        api.serve(application, listener, ready=ready, share=share)
    return 0


def worker_module() -> str:
    """The module that draws; tests put another in its place with ``EASEL_WORKER_MODULE``."""
    return os.environ.get("EASEL_WORKER_MODULE", WORKER)


def _shared(address: str) -> None:
    _say(f"The public link is {address}")


def _say(sentence: str) -> None:
    """Tell the person at the terminal; where that was closed, the server goes on without."""
    try:
        print(sentence, flush=True)  # noqa: T201 -- what that person waits for
    except OSError:
        sys.stdout = None


def _log_to_terminal() -> None:
    level = os.environ.get("EASEL_LOG", "WARNING").upper()
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"The folder {folder} cannot be made: {error.strerror}.") from None


def make_executor(settings: Settings, worker: str = WORKER) -> Executor:
    """What draws, as the settings say: a process of its own, or this one."""
    arguments = (
        f"--device={settings.device.device}",
        f"--dtype={settings.device.dtype}",
        f"--batching={settings.jobs.batching}",
    )
    if settings.device.inline:
        return InlineExecutor(arguments, module=worker)
    return LocalExecutor(arguments, module=worker)


def _keeper(
    catalog: Catalog, library: Library, inputs: Inputs
) -> Callable[[Job, JobImage], SavedImage]:
    """Save a finished picture with its parameters, and a grid with the last of a batch."""

    def keep(job: Job, image: JobImage) -> SavedImage:
        if isinstance(job.request, Upscale):
            return keep_enlarged(library, inputs, job, image)
        origin = origin_of(job, image.index)
        request = origin.request
        model_hash = catalog.model_hash(origin.model, wait=HASH_SECONDS)
        variation = variation_seed(request.variation_seed, image.drawn)
        own = replace(request, seed=image.seed, variation_seed=variation)
        text = infotext(
            own,
            seed=image.seed,
            clip_score=image.clip_score,
            model_hash=model_hash,
            version=f"easel-{__version__}",
            extras={**origin.extras, **hash_keys(catalog, request, origin.model, HASH_SECONDS)},
        )
        saved = library.save(
            image.pixels,
            infotext=text,
            job_id=job.id,
            index=image.index,
            seed=image.seed,
            prompt=request.prompt,
            model=origin.model.name,
            negative_prompt=request.negative_prompt,
            sampler=request.sampler,
            seconds=image.seconds,
            owner=job.owner,
            request=request,
            exact=exact_text(own),
            model_hash=model_hash,
            job_time=job.started,
        )
        whole = job.request
        if isinstance(whole, Series) and not whole.recipe:  # a batch whose prompts vary
            whole = whole.base
        if isinstance(whole, DrawRequest):
            _keep_grid(library, whole, job.images, saved)
        return saved

    return keep


def _keep_grid(
    library: Library, request: DrawRequest, earlier: Sequence[SavedImage], saved: SavedImage
) -> None:
    """Once the last of a job's pictures is saved; a grid that fails costs nobody a picture."""
    pictures = {picture.index: picture for picture in earlier}
    if saved.index in pictures or len(pictures) + 1 < request.count:
        return
    pictures[saved.index] = saved
    try:
        library.save_grid([pictures[i] for i in sorted(pictures)], request.batch_size)
    except EaselError as error:
        log.warning("No grid was kept: %s", error.message)
