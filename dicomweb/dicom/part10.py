"""A Part 10 object scanned in one pass: what the archive keeps of it besides its bytes (PS3.10 7).

with open(path, "rb") as file:
    scanned = scan(iter(lambda: file.read(1 << 20), b""))
scan([whole])  # a small object in memory
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from dicomweb.dicom.dataset_reader import DatasetReader
from dicomweb.dicom.element_json import BulkValue
from dicomweb.dicom.file_meta import FileMeta, read_file_meta
from dicomweb.dicom.limits import ScanLimits
from dicomweb.dicom.pixel_index import BARE_SYNTAX, pixel_layout, true_syntax
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.scope import Encoding
from dicomweb.dicom.transfer_syntax import TransferSyntax, lookup
from dicomweb.dicom.uid import is_uid
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS
from dicomweb.dicom.window import CutOff, Digesting, Window, inflated
from dicomweb.errors import InvalidDicom

__all__ = ["BulkValue", "Scan", "ScanLimits", "scan"]

_UNSUPPORTED_SYNTAX = 0xC122
_MISSING_UID = 0xA900
_PREAMBLE_SIZE = 128
_TIFF = (b"II*\0", b"MM\0*")
_VRS = frozenset(name.encode() for name in VALUE_REPRESENTATIONS)
_SOP_CLASS, _SOP_INSTANCE, _STUDY, _SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
_IDENTITY = {
    _SOP_CLASS: "SOP Class UID",
    _SOP_INSTANCE: "SOP Instance UID",
    _STUDY: "Study Instance UID",
    _SERIES: "Series Instance UID",
}
# Groups that data sets begin with, as little endian writes them: turned round, they show big endian.
_FIRST_GROUPS = frozenset({b"\x08\0", b"\x10\0", b"\x18\0", b"\x20\0", b"\x28\0"})
# Longest first element of a data set without File Meta Information that is believed.
_PLAUSIBLE_LENGTH = 1 << 16


@dataclass(frozen=True, slots=True)
class Scan:
    """Everything that is kept of one instance.

    transfer_syntax_uid: what the data set is really encoded in: guessed where nothing says it, corrected
    (with a warning) where the File Meta Information lies.
    file_meta: group 2 as it is sent, without 'DICM'. preamble: 128 bytes where it is a TIFF header (S-30).
    dataset_offset, dataset_length: in the received bytes. digest: BLAKE3 of the received data set.
    attributes: DICOM JSON; BulkDataURI holds BulkValue.path. Numbers whose digits a Python number would
    lose, and the further items of very long sequences, are orjson.Fragment: ready for orjson.dumps.
    frame_entries: EncapsulatedFrame entries (frame_index.py), b"" for native pixels.
    inflated_length: of the data set given to on_inflated, which all offsets then count from.
    warnings: plain sentences, no values.
    received: what came, where these bytes were made of it (catalog.columns.received_as).
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    file_meta: bytes
    preamble: bytes | None
    dataset_offset: int
    dataset_length: int
    digest: bytes
    attributes: dict[str, Any]
    bulkdata: tuple[BulkValue, ...]
    pixel_layout: PixelLayout | None
    frame_entries: bytes
    inflated_length: int | None
    warnings: tuple[str, ...]
    received: str = ""


def scan(
    chunks: Iterable[bytes],
    *,
    limits: ScanLimits = ScanLimits(),  # noqa: B008 -- frozen
    on_inflated: Callable[[bytes], None] | None = None,
) -> Scan:
    """Read a Part 10 object, or a bare data set (P-02), to its end; chunks are taken when they are needed.

    Raises InvalidDicom with its failure reason and the UIDs read so far; errors of `chunks` pass through.
    """
    received = Digesting(chunks)
    window = Window(received)
    preamble, meta = _opening(window)
    offset = window.tell()
    received.begin(memoryview(window.data)[window.position :])
    syntax, encoding, warnings = _transfer_syntax(window, meta)
    dataset = _inflated(window, limits, on_inflated) if syntax.deflated else window
    reader = DatasetReader(dataset, limits)
    for sentence in warnings:
        reader.warn(sentence)
    attributes, identity = _read(reader, encoding)
    _read_rest(dataset, reader)
    syntax, layout, frame_entries = _pixels(reader, attributes, syntax, encoding)
    uids = {"sop_class_uid": identity[_SOP_CLASS], "sop_instance_uid": identity[_SOP_INSTANCE]}
    return Scan(
        study_instance_uid=identity[_STUDY],
        series_instance_uid=identity[_SERIES],
        **uids,
        transfer_syntax_uid=syntax.uid,
        file_meta=meta.written(**uids, transfer_syntax_uid=syntax.uid),
        preamble=preamble if preamble.startswith(_TIFF) else None,
        dataset_offset=offset,
        dataset_length=received.length - offset,
        digest=received.digest(),
        attributes=attributes,
        bulkdata=tuple(reader.bulkdata),
        pixel_layout=layout,
        frame_entries=frame_entries,
        inflated_length=dataset.tell() if syntax.deflated else None,
        warnings=reader.warnings,
    )


def _inflated(window: Window, limits: ScanLimits, on_inflated: Callable[[bytes], None] | None) -> Window:
    return Window(
        inflated(
            window,
            inflate_bytes=limits.inflate_bytes,
            inflate_ratio=limits.inflate_ratio,
            on_inflated=on_inflated,
        )
    )


def _read_rest(dataset: Window, reader: DatasetReader) -> None:
    """Take what follows the last element: the digest covers it too."""
    for piece in dataset.drain():
        if reader.padded and piece.strip(b"\0\r\n "):
            raise _identified(InvalidDicom("The data set is interrupted by zeros."), reader)


def _pixels(
    reader: DatasetReader, attributes: dict[str, Any], syntax: TransferSyntax, encoding: Encoding
) -> tuple[TransferSyntax, PixelLayout | None, bytes]:
    try:
        syntax = true_syntax(reader, syntax, encoding)
    except InvalidDicom as refused:
        raise _identified(refused, reader) from None
    return syntax, *pixel_layout(reader, attributes, syntax)


def _opening(window: Window) -> tuple[bytes, FileMeta]:
    """Preamble (empty when absent) and File Meta Information, as far as they are there (P-02)."""
    try:
        return _preamble_and_meta(window)
    except CutOff:
        raise InvalidDicom("The object is cut off in its File Meta Information.") from None


def _preamble_and_meta(window: Window) -> tuple[bytes, FileMeta]:
    preamble = b""
    if window.available(_PREAMBLE_SIZE + 4) and window.data.startswith(b"DICM", _PREAMBLE_SIZE):
        preamble = window.take(_PREAMBLE_SIZE)
        window.skip(4)
    elif window.data.startswith(b"DICM"):
        window.skip(4)
    meta = read_file_meta(window)
    if not preamble and not meta.elements and not _looks_like_dataset(window):
        raise InvalidDicom("The bytes are not a DICOM object.")
    return preamble, meta


def _looks_like_dataset(window: Window) -> bool:
    """Whether the first bytes are an element that a data set without File Meta Information begins with."""
    encoding = _sniffed(window)
    if encoding is None or not window.available(8):
        return False
    data, i = window.data, window.position
    group = int.from_bytes(data[i : i + 2], "little" if encoding.little else "big")
    if encoding.explicit:
        return group == 8
    return group == 8 and int.from_bytes(data[i + 4 : i + 8], "little") < _PLAUSIBLE_LENGTH


def _sniffed(window: Window) -> Encoding | None:
    """The encoding that the first element shows; None for none that exists."""
    if not window.available(8):
        return None
    data, i = window.data, window.position
    group = data[i : i + 2]
    little = group[::-1] not in _FIRST_GROUPS or group in _FIRST_GROUPS
    vr = data[i + 4 : i + 6]
    if vr in _VRS or (vr.isalpha() and vr.isupper()):
        return Encoding(explicit=True, little=little)
    return Encoding(explicit=False, little=True) if little else None


def _transfer_syntax(window: Window, meta: FileMeta) -> tuple[TransferSyntax, Encoding, list[str]]:
    """What the File Meta Information claims, held against the first element of the data set."""
    if not window.available(8):
        raise InvalidDicom("The object holds no data set.")
    claimed, seen = meta.transfer_syntax_uid, _sniffed(window)
    syntax = lookup(claimed) if claimed else None
    if claimed and syntax is None:
        raise InvalidDicom(
            "The transfer syntax is not supported.",
            failure_reason=_UNSUPPORTED_SYNTAX,
            sop_class_uid=_valid(meta.uid(0x00020002)),
            sop_instance_uid=_valid(meta.uid(0x00020003)),
        )
    if syntax is not None and syntax.deflated and not _looks_like_dataset(window):
        return syntax, Encoding(explicit=True, little=True), []
    if seen is None:
        raise InvalidDicom("The data set does not begin with a data element.")
    bare = lookup(BARE_SYNTAX[seen])
    assert bare is not None
    if syntax is None:
        return bare, seen, ["The object does not state its transfer syntax."]
    if (syntax.explicit, syntax.little) == (seen.explicit, seen.little) and not syntax.deflated:
        return syntax, seen, []
    warning = "The data set is not encoded in the transfer syntax that the object states."
    return (syntax if syntax.encapsulated else bare), seen, [warning]


def _read(reader: DatasetReader, encoding: Encoding) -> tuple[dict[str, Any], dict[int, str]]:
    """The attributes and the four UIDs that every instance has (S-21)."""
    try:
        attributes = reader.read(encoding)
    except CutOff:
        raise _identified(InvalidDicom("The data set is cut off."), reader) from None
    except InvalidDicom as refused:
        raise _identified(refused, reader) from None
    identity = {tag: reader.uid(tag) for tag in _IDENTITY}
    for tag, name in _IDENTITY.items():
        if not is_uid(identity[tag]):
            problem = "is missing" if not identity[tag] else "is not a valid UID"
            missing = InvalidDicom(f"The {name} {problem}.", failure_reason=_MISSING_UID)
            raise _identified(missing, reader)
    return attributes, identity


def _identified(refused: InvalidDicom, reader: DatasetReader) -> InvalidDicom:
    return InvalidDicom(
        refused.message,
        failure_reason=refused.failure_reason,
        sop_class_uid=_valid(reader.uid(_SOP_CLASS)),
        sop_instance_uid=_valid(reader.uid(_SOP_INSTANCE)),
    )


def _valid(uid: str) -> str:
    return uid if is_uid(uid) else ""
