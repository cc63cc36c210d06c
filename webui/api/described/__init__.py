"""What the OpenAPI document says of each operation of ``/api/v1``: answers, bodies, examples."""

from webui.api.described import assist, drawing, inputs, jobs, library, settings
from webui.api.described.operation import Operation

OPERATIONS: dict[tuple[str, str], Operation] = {
    **jobs.OPERATIONS,
    **drawing.OPERATIONS,
    **inputs.OPERATIONS,
    **library.OPERATIONS,
    **assist.OPERATIONS,
    **settings.OPERATIONS,
}
"""By method and path below ``/api/v1``. A route without an entry fails the suite."""

__all__ = ["OPERATIONS", "Operation"]
