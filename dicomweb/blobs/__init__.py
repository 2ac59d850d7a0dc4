"""Bytes by key and range: files, S3 and memory behind one protocol."""

from dicomweb.blobs.open import open_blobs
from dicomweb.blobs.protocol import BlobReader, Blobs, BlobWriter, new_key

__all__ = ["BlobReader", "BlobWriter", "Blobs", "new_key", "open_blobs"]
