"""Whether an encoded frame is, decoded, the native one that it was made of: the proof behind an encoding."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.codecs import decode_frame
from dicomweb.pixels.codestream import probe
from dicomweb.pixels.encoders import pixels_of
from dicomweb.pixels.transcode import decoded_layout


def same_frame_parameters(
    encoded: PixelLayout, transfer_syntax_uid: str, native: PixelLayout
) -> dict[str, Any]:
    """The parameters of the job. encoded, native: layouts of what the frames are taken from."""
    return {"encoded": asdict(encoded), "uid": transfer_syntax_uid, "native": asdict(native)}


def same_frame_job(parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """Nothing, where both frames have the same pixels. buffers: the codestream; the native frame, little
    endian, from bit 0. Raises DecodeFailed where they differ.
    """
    import numpy as np

    codestream, frame = buffers
    encoded, native = PixelLayout(**parameters["encoded"]), PixelLayout(**parameters["native"])
    header = probe(codestream, parameters["uid"])
    decoded = decode_frame(codestream, encoded, parameters["uid"])
    found = pixels_of(decoded, decoded_layout(encoded, parameters["uid"], header))
    if not np.array_equal(found, pixels_of(frame, native)):
        raise DecodeFailed("A frame that was encoded does not decode to what it was.")
    return b""
