"""The job "dataset": a data set of one frame in another transfer syntax, whole (PS3.5 annex A; W-12..W-15).

Most instances are one frame. In one job their header is walked, their frame is transcoded, and both are put
together, where a longer object goes through the server frame by frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dicomweb.dicom.element import UNDEFINED_LENGTH, element_header
from dicomweb.dicom.encapsulation import read_fragments
from dicomweb.dicom.explicit import explicit_elements
from dicomweb.dicom.fragments import ITEM_HEADER, first_item, fragment, tables_of
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.splice import spliced
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, TRANSFER_SYNTAXES
from dicomweb.dicom.window import CutOff, Window
from dicomweb.errors import DecodeFailed, InvalidDicom
from dicomweb.pixels.codestream import CodestreamHeader, probe
from dicomweb.pixels.transcode import (
    FrameJoiner,
    decoded_attributes,
    decoded_layout,
    encoded_attributes,
    frame_window,
    native_frame,
    native_length,
    transcode_frame,
)

_PIXEL_DATA = 0x7FE00010
_SEQUENCE_STOP = ITEM_HEADER.pack(0xFFFE, 0xE0DD, 0)


def dataset_parameters(
    layout: PixelLayout,
    start: int,
    source_uid: str,
    target_uid: str,
    *,
    stored_ratio: str = "",
    stored_method: str = "",
) -> dict[str, Any]:
    """The parameters of the job. start: place of the data set, as the offsets of the layout count.

    stored_ratio, stored_method: encoded_attributes.
    """
    return {
        "layout": _moved(layout, -start),
        "source_uid": source_uid,
        "target_uid": target_uid,
        "stored_ratio": stored_ratio,
        "stored_method": stored_method,
    }


def dataset_job(parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """The data set in the target syntax: an encapsulated one, or Explicit VR Little Endian.

    parameters: of dataset_parameters. buffers: the stored data set, not deflated. Raises DecodeFailed.
    """
    (dataset,) = buffers
    layout = PixelLayout(**parameters["layout"])
    try:
        return _transcoded(dataset, layout, parameters)
    except (InvalidDicom, CutOff):
        raise DecodeFailed("The stored data set is not what it was when it was indexed.") from None


def _transcoded(dataset: bytes, layout: PixelLayout, parameters: Mapping[str, Any]) -> bytes:
    source_uid, target_uid = parameters["source_uid"], parameters["target_uid"]
    frame, header = _stored_frame(dataset, layout, source_uid)
    frame_uid = source_uid if layout.encapsulated else EXPLICIT_LITTLE
    made = transcode_frame(frame, layout, frame_uid, target_uid)
    native = decoded_layout(layout, frame_uid, header) if layout.encapsulated else layout
    if target_uid == EXPLICIT_LITTLE:
        changes = decoded_attributes(layout, frame_uid, header)
        element = _native_element(native, made)
    else:
        changes = encoded_attributes(
            layout,
            frame_uid,
            target_uid,
            header,
            ratio=native_length(native) / max(len(made), 1),
            stored_ratio=parameters["stored_ratio"],
            stored_method=parameters["stored_method"],
        )
        element = _encapsulated_element(made)
    head = _explicit(dataset[: layout.element_offset], layout, source_uid, changes)
    tail = _explicit(dataset[layout.element_end :], layout, source_uid, {}, after_pixels=True)
    return b"".join([head, *element, tail])


def _stored_frame(
    dataset: bytes, layout: PixelLayout, source_uid: str
) -> tuple[bytes, CodestreamHeader | None]:
    """The only frame: its bare codestream with what the header of that says, or native, little endian."""
    little = TRANSFER_SYNTAXES[source_uid].little
    if not layout.encapsulated:
        start, stop = (layout.value_offset + edge for edge in frame_window(layout, 0, little=little))
        return native_frame(dataset[start:stop], layout, 0, little=little), None
    value = dataset[layout.value_offset : layout.element_end]  # with the delimiter of the fragments
    found = read_fragments(
        Window([value]), little=little, longest_table=len(value), charge=lambda _bytes: None
    )
    frame = b"".join(
        value[offset : offset + length] for offset, length in zip(found.offsets, found.lengths, strict=True)
    )
    return frame, probe(frame, source_uid)


def _native_element(native: PixelLayout, frame: bytes) -> list[bytes]:
    joiner = FrameJoiner(native.frame_bits)
    header = element_header(_PIXEL_DATA, native.vr, native.value_length)
    return [header, joiner.feed(frame), joiner.finish(), bytes(native.value_length % 2)]


def _encapsulated_element(frame: bytes) -> list[bytes]:
    header = element_header(_PIXEL_DATA, "OB", UNDEFINED_LENGTH)
    return [header, first_item(tables_of([len(frame)]).basic), fragment(frame), _SEQUENCE_STOP]


def _explicit(
    elements: bytes,
    layout: PixelLayout,
    source_uid: str,
    changes: Mapping[str, bytes | None],
    *,
    after_pixels: bool = False,
) -> bytes:
    syntax = TRANSFER_SYNTAXES[source_uid]
    if syntax.explicit and syntax.little and not after_pixels:
        found = spliced(elements, changes)
        if found is not None:
            return found
    return b"".join(
        explicit_elements(
            [elements],
            implicit=not syntax.explicit,
            little=syntax.little,
            changes=changes,
            pixel_representation=layout.pixel_representation,
            bits_allocated=layout.bits_allocated,
            after_pixels=after_pixels,
        )
    )


def _moved(layout: PixelLayout, by: int) -> PixelLayout:
    return replace(
        layout,
        element_offset=layout.element_offset + by,
        element_end=layout.element_end + by,
        value_offset=layout.value_offset + by,
    )
