"""A stored instance as the read side sees it: what it is for negotiation, and where its bytes lie."""

from __future__ import annotations

from dicomweb.archive.parts import Stretch
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.transfer_syntax import TRANSFER_SYNTAXES, TransferSyntax
from dicomweb.pixels.codecs import DECODABLE
from dicomweb.protocol.negotiate import Stored, category_of


def syntax_of(source: InstanceSource) -> TransferSyntax:
    """The transfer syntax of the stored bytes; only known ones are stored."""
    return TRANSFER_SYNTAXES[source.transfer_syntax_uid]


def stored_form(source: InstanceSource, *, codestreams: int = 1) -> Stored:
    """What negotiation must know of an instance. codestreams: of its pixel data, when that is asked for."""
    layout = source.pixel_layout
    frames = layout.frames if layout else None
    encapsulated = layout is not None and layout.encapsulated
    return Stored(
        transfer_syntax_uid=source.transfer_syntax_uid,
        category=category_of(source.sop_class_uid, source.transfer_syntax_uid, frames),
        decodable=not encapsulated or bool(source.transfer_syntax_uid in DECODABLE and frames),
        codestreams=codestreams,
    )


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
