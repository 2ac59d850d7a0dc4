"""What worker processes can do: a table from the name of a job to the function that does it (invariant 6).

Every native codec, renderer and picture library runs as a job. The server knows the names; only a worker
imports the functions, so a module that is named here imports its libraries at its top.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

Job = Callable[[dict[str, Any], list[bytes]], bytes]
"""parameters: JSON values. buffers: codestreams, native frames, bulk values. Returns what was made.

Raises DecodeFailed with a plain sentence, without any value, for what it cannot do.
"""

JOBS: dict[str, str] = {
    "decode": "dicomweb.pixels.codecs:decode_job",
    "displays": "dicomweb.pixels.metadata_jobs:displays_job",
    "outline": "dicomweb.pixels.metadata_jobs:outline_job",
    "frame_places": "dicomweb.pixels.metadata_jobs:places_job",
    "reduce": "dicomweb.pixels.reduced_frame:reduce_job",
    "render": "dicomweb.pixels.rendering.render:render",
    "animate": "dicomweb.pixels.rendering.animation:animate",
    "blend": "dicomweb.pixels.rendering.layers:blend",
    "subtract": "dicomweb.pixels.rendering.subtraction:subtract",
    "transcode": "dicomweb.pixels.transcode:transcode_job",
    "dataset": "dicomweb.pixels.dataset_job:dataset_job",
    "same_frame": "dicomweb.pixels.same_frame:same_frame_job",
    "report": "dicomweb.documents.jobs:report_job",
    "icon": "dicomweb.documents.jobs:icon_job",
    "waveform": "dicomweb.documents.jobs:waveform_job",
    "contours": "dicomweb.documents.jobs:contours_job",
    "pdf_page": "dicomweb.documents.pdf_page:pdf_page_job",
    "video_frame": "dicomweb.documents.video_frame:video_frame_job",
    "native_pixels": "dicomweb.pixels.pictures:native_job",
    "describe_image": "dicomweb.pixels.pictures:describe_job",
    "volume_slices": "dicomweb.pixels.volume.slices:slices_job",
    "volume_slice": "dicomweb.pixels.volume.samples:slice_job",
    "volume_window": "dicomweb.pixels.volume.view:window_job",
    "volume_view": "dicomweb.pixels.volume.view:view_job",
}
"""Job name -> "module:function"."""


def load(name: str) -> Job:
    """Import the function of a job."""
    module, _, function = JOBS[name].partition(":")
    job: Job = getattr(importlib.import_module(module), function)
    return job
