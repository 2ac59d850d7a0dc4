"""From the setting `blobs` to the object store that it names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dicomweb.blobs.filesystem import FilesystemBlobs
from dicomweb.blobs.protocol import Blobs

if TYPE_CHECKING:
    from dicomweb.settings import Settings


def open_blobs(settings: Settings) -> Blobs:
    """The store of `settings.blobs`: a directory, s3://bucket/prefix, or blobs/ under the data directory.

    Raises InvalidSettings, and Unavailable when a directory cannot be made. No request is sent to S3 yet.
    """
    location = settings.blobs_location
    if location.startswith("s3://"):
        # Imported here: obstore costs start time and memory that a file store need not pay.
        from dicomweb.blobs.s3 import open_s3

        return open_s3(settings)
    return FilesystemBlobs(Path(location))
