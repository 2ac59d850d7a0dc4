"""The dictionary behaves as any other object store."""

from __future__ import annotations

from dicomweb.blobs.contract import BlobsContract
from dicomweb.blobs.memory import MemoryBlobs
from dicomweb.blobs.protocol import Blobs


class TestMemoryBlobs(BlobsContract):
    def open(self) -> Blobs:
        return MemoryBlobs()
