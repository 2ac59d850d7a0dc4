"""A stored instance as the read side sees it: what it is for negotiation, and where its bytes lie."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Protocol

from dicomweb.archive.parts import Stretch
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_LITTLE,
    TRANSFER_SYNTAXES,
    TransferSyntax,
)
from dicomweb.pixels.codecs import DECODABLE
from dicomweb.pixels.codestream import CodestreamHeader
from dicomweb.pixels.transcode import LONGEST_NATIVE, can_transcode, decoded_layout, native_length
from dicomweb.protocol.negotiate import Stored, category_of


class Held(Protocol):
    """What decides about the forms of an instance: an InstanceSource, or less."""

    @property
    def sop_class_uid(self) -> str: ...

    @property
    def transfer_syntax_uid(self) -> str: ...

    @property
    def pixel_layout(self) -> PixelLayout | None: ...


# Stands for any number: a study of a thousand clips is not negotiated a thousand times.
_SEVERAL = 2


def syntax_of(source: InstanceSource) -> TransferSyntax:
    """The transfer syntax of the stored bytes; only known ones are stored."""
    return TRANSFER_SYNTAXES[source.transfer_syntax_uid]


def sendable_as_stored(source: InstanceSource) -> bool:
    """Implicit VR and big endian never leave the archive (G-31)."""
    syntax = syntax_of(source)
    return syntax.explicit and syntax.little


def stored_form(source: Held, *, codestreams: int = 1) -> Stored:
    """What negotiation must know of an instance.

    codestreams: of its pixel data, when that is asked for as bulkdata.
    """
    layout = source.pixel_layout
    if layout is not None:
        layout = _without_places(layout)
    return _stored_form(source.sop_class_uid, source.transfer_syntax_uid, layout, min(codestreams, _SEVERAL))


@lru_cache(maxsize=1024)
def _without_places(layout: PixelLayout) -> PixelLayout:
    """Instances of a series differ in places only, and the answer does not."""
    return replace(layout, element_offset=0, element_end=0, value_offset=0, value_length=0)


@lru_cache(maxsize=1024)
def _stored_form(
    sop_class_uid: str, transfer_syntax_uid: str, layout: PixelLayout | None, codestreams: int
) -> Stored:
    decodable = fits = True
    if layout is not None and layout.encapsulated:
        decodable = transfer_syntax_uid in DECODABLE and layout.frames > 0
        fits = native_length(decoded_layout(layout, transfer_syntax_uid)) <= LONGEST_NATIVE  # P-11
    encodable: frozenset[str] = frozenset()
    if layout is not None and layout.frames:
        encodable = _frames_encodable(replace(layout, frames=1), transfer_syntax_uid)
    if decodable and fits:  # what is deflated is the data set in Explicit VR Little Endian
        encodable |= {DEFLATED_EXPLICIT_LITTLE}
    return Stored(
        transfer_syntax_uid=transfer_syntax_uid,
        category=category_of(sop_class_uid, transfer_syntax_uid, layout.frames if layout else None),
        decodable=decodable,
        codestreams=codestreams,
        frames=min(layout.frames, _SEVERAL) if layout else 0,
        fits=fits,
        encodable=encodable - {transfer_syntax_uid},
    )


@lru_cache(maxsize=1024)
def _frames_encodable(layout: PixelLayout, transfer_syntax_uid: str) -> frozenset[str]:
    return frozenset(
        syntax.uid
        for syntax in TRANSFER_SYNTAXES.values()
        if syntax.encapsulated
        and can_transcode(layout, frame_syntax_uid(layout, transfer_syntax_uid), syntax.uid)
    )


def frame_syntax_uid(layout: PixelLayout, transfer_syntax_uid: str) -> str:
    """Transfer syntax of a frame as it is read: native ones are brought to little endian first."""
    return transfer_syntax_uid if layout.encapsulated else EXPLICIT_LITTLE


def decoded_layout_of(source: Held, header: CodestreamHeader | None = None) -> PixelLayout:
    """The layout of the pixel data when decoded. header: of a frame's codestream, where at hand."""
    assert source.pixel_layout is not None
    return decoded_layout(source.pixel_layout, source.transfer_syntax_uid, header)


def indexed(source: InstanceSource, offset: int, length: int) -> Stretch:
    """`length` bytes at an offset as the index counts (PixelLayout, BulkValue)."""
    if source.inflated_key is not None:
        return Stretch(source.inflated_key, source.inflated_offset + offset, length, source.instance_row)
    return Stretch(source.blob_key, source.blob_offset + offset, length, source.instance_row)


def dataset_range(source: InstanceSource) -> tuple[int, int]:
    """First byte of the data set and the byte after its last, as the index counts."""
    if source.inflated_key is not None:
        return 0, source.inflated_length
    return source.dataset_offset, source.blob_length


def received_dataset(source: InstanceSource) -> Stretch:
    """The data set as it was received."""
    return Stretch(
        source.blob_key,
        source.blob_offset + source.dataset_offset,
        source.blob_length - source.dataset_offset,
        source.instance_row,
    )
