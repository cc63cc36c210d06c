"""The journalled queue and what carries its jobs out. No torch, no web framework.

A :class:`JobQueue` takes frozen requests, writes them to a :class:`Journal`, gives them to an
:class:`Executor` and publishes what happens as ``core.results.JobEvent``.
"""

from webui.jobs.executor import Executor, ExecutorEvent, ExecutorStatus, WorkerLost
from webui.jobs.inline import InlineExecutor
from webui.jobs.journal import Journal
from webui.jobs.local import LocalExecutor
from webui.jobs.once import Once
from webui.jobs.queue import JobQueue
from webui.jobs.record import Job

__all__ = [
    "Executor",
    "ExecutorEvent",
    "ExecutorStatus",
    "InlineExecutor",
    "Job",
    "JobQueue",
    "Journal",
    "LocalExecutor",
    "Once",
    "WorkerLost",
]
