"""A stored instance as the read side sees it: what it is for negotiation, and where its bytes lie."""

from __future__ import annotations

from dicomweb.archive.parts import Stretch
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import TRANSFER_SYNTAXES, TransferSyntax
from dicomweb.pixels.codecs import DECODABLE
from dicomweb.pixels.codestream import CodestreamHeader
from dicomweb.pixels.transcode import LONGEST_NATIVE, decoded_layout, native_length
from dicomweb.protocol.negotiate import Stored, category_of


def syntax_of(source: InstanceSource) -> TransferSyntax:
    """The transfer syntax of the stored bytes; only known ones are stored."""
    return TRANSFER_SYNTAXES[source.transfer_syntax_uid]


def stored_form(source: InstanceSource, *, codestreams: int = 1, whole: bool = True) -> Stored:
    """What negotiation must know of an instance.

    codestreams: of its pixel data, when that is asked for as bulkdata. whole: all frames are to go into
    one native value, which has a 32-bit length (G-33, P-11).
    """
    layout = source.pixel_layout
    decodable = True
    if layout is not None and layout.encapsulated:
        decodable = source.transfer_syntax_uid in DECODABLE and layout.frames > 0
        decodable = decodable and not (whole and native_length(decoded_layout_of(source)) > LONGEST_NATIVE)
    return Stored(
        transfer_syntax_uid=source.transfer_syntax_uid,
        category=category_of(
            source.sop_class_uid, source.transfer_syntax_uid, layout.frames if layout else None
        ),
        decodable=decodable,
        codestreams=codestreams,
    )


def decoded_layout_of(source: InstanceSource, header: CodestreamHeader | None = None) -> PixelLayout:
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
