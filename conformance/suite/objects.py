"""DICOM instances that checks store: images in every syntax, documents, reports, odd ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from conformance.suite.part10 import (
    EXPLICIT,
    RLE,
    Data,
    Element,
    Fragments,
    Value,
    attributes,
    deflate,
    encode,
    encoding_of,
    part10,
)
from conformance.suite.samples import COLUMNS, ROWS, SAMPLES, picture

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
MULTIFRAME_BIT = "1.2.840.10008.5.1.4.1.1.7.1"
MULTIFRAME_BYTE = "1.2.840.10008.5.1.4.1.1.7.2"
MULTIFRAME_WORD = "1.2.840.10008.5.1.4.1.1.7.3"
MULTIFRAME_COLOR = "1.2.840.10008.5.1.4.1.1.7.4"
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
ECG = "1.2.840.10008.5.1.4.1.1.9.1.1"
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
VIDEO_ENDOSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.1.1"


class Names(Protocol):
    """What makes UIDs and the token of a run (the session)."""

    @property
    def token(self) -> str: ...

    def new_uid(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance ready to be stored. dataset: its bytes after the file meta information."""

    study: str
    series: str
    sop: str
    sop_class: str
    transfer_syntax_uid: str
    data: bytes
    dataset: bytes
    elements: Data

    @property
    def path(self) -> str:
        """Its resource below the base URL."""
        return f"/studies/{self.study}/series/{self.series}/instances/{self.sop}"

    @property
    def series_path(self) -> str:
        return f"/studies/{self.study}/series/{self.series}"

    @property
    def study_path(self) -> str:
        return f"/studies/{self.study}"


@dataclass(frozen=True, slots=True)
class Form:
    """How an instance is written; the defaults are the usual."""

    transfer_syntax_uid: str = EXPLICIT
    charset: str = "ascii"
    undefined: bool = True
    preamble: bytes = bytes(128)
    bare: bool = False  # no preamble and no file meta information


USUAL = Form()


def make(
    names: Names,
    *,
    study: str = "",
    series: str = "",
    sop: str = "",
    sop_class: str = CT,
    form: Form = USUAL,
    extra: Data | None = None,
    without: Sequence[str] = (),
    **keywords: Value,
) -> Instance:
    """An instance with the attributes every archive needs, changed by extra elements and keywords."""
    study, series, sop = study or names.new_uid(), series or names.new_uid(), sop or names.new_uid()
    elements = attributes(
        SOPClassUID=sop_class,
        SOPInstanceUID=sop,
        StudyInstanceUID=study,
        SeriesInstanceUID=series,
        StudyDate="20060705",
        StudyTime="101500",
        AccessionNumber="CONFORMANCE",
        Modality="CT",
        PatientName="Conformance^Suite",
        PatientID=names.token,
        PatientBirthDate="19600101",
        PatientSex="O",
        ReferringPhysicianName="",
        StudyID="1",
        SeriesNumber="1",
        InstanceNumber="1",
    )
    elements.update(extra or {})
    elements.update(attributes(**keywords))
    for keyword in without:
        del elements[next(iter(attributes(**{keyword: ""})))]
    return finish(elements, form)


def finish(elements: Data, form: Form = USUAL) -> Instance:
    """Write the elements down."""
    uid = form.transfer_syntax_uid
    encoding = encoding_of(uid, undefined=form.undefined, charset=form.charset)
    data = part10(elements, uid, encoding, form.preamble)
    dataset = data[132 + _meta_length(data) :]
    return Instance(
        study=_text(elements, 0x0020000D),
        series=_text(elements, 0x0020000E),
        sop=_text(elements, 0x00080018),
        sop_class=_text(elements, 0x00080016),
        transfer_syntax_uid=uid,
        data=encode(elements, encoding) if form.bare else data,
        dataset=dataset,
        elements=elements,
    )


def _meta_length(data: bytes) -> int:
    return 12 + int.from_bytes(data[140:144], "little")


def _text(elements: Data, tag: int) -> str:
    element = elements.get(tag)
    return "" if element is None or not isinstance(element.value, str) else element.value


def pixel_module(
    *, bits_allocated: int, bits_stored: int, signed: bool = False, samples: int = 1, photometric: str = ""
) -> dict[int, Element]:
    """Image Pixel attributes of a picture of the samples' size (PS3.3 C.7.6.3)."""
    module = attributes(
        SamplesPerPixel=samples,
        PhotometricInterpretation=photometric or ("RGB" if samples == 3 else "MONOCHROME2"),
        Rows=ROWS,
        Columns=COLUMNS,
        BitsAllocated=bits_allocated,
        BitsStored=bits_stored,
        HighBit=bits_stored - 1,
        PixelRepresentation=int(signed),
    )
    if samples > 1:
        module.update(attributes(PlanarConfiguration=0))
    return module


_LAYOUTS: dict[str, tuple[int, int, int]] = {  # picture -> bits allocated, bits stored, samples
    "gray16": (16, 12, 1),
    "smooth8": (8, 8, 1),
    "smooth12": (16, 12, 1),
    "rgb": (8, 8, 3),
}


def picture_module(name: str, *, photometric: str = "") -> dict[int, Element]:
    """Image Pixel attributes for one of the samples' pictures."""
    allocated, stored, samples = _LAYOUTS[name]
    return pixel_module(
        bits_allocated=allocated, bits_stored=stored, samples=samples, photometric=photometric
    )


def native_image(
    names: Names,
    *,
    frames: int = 1,
    name: str = "gray16",
    form: Form = USUAL,
    extra_elements: Data | None = None,
    **more: Value,
) -> Instance:
    """Uncompressed picture(s)."""
    vr = "OW" if _LAYOUTS[name][0] == 16 else "OB"
    pixels = b"".join(picture(name, frame) for frame in range(frames))
    extra = picture_module(name) | dict(extra_elements or {})
    extra[0x7FE00010] = Element(vr, pixels)
    return _image(names, extra, frames, form, more)


def compressed_image(
    names: Names,
    key: str,
    *,
    frames: int = 1,
    fragments: int = 1,
    table: str = "full",
    **more: Value,
) -> Instance:
    """Sample codestreams of 1.2.840.10008.1.2.4.{key}, encapsulated.

    fragments: how many a frame is cut into. table: 'full' (Basic Offset Table), 'empty' or 'extended'.
    """
    sample = SAMPLES[key]
    return encapsulated_image(
        names,
        sample.transfer_syntax_uid,
        [sample.frames[frame % 2] for frame in range(frames)],
        picture_module(sample.picture),
        fragments=fragments,
        table=table,
        **more,
    )


def encapsulated_image(
    names: Names,
    transfer_syntax_uid: str,
    codestreams: Sequence[bytes],
    module: Mapping[int, Element],
    *,
    fragments: int = 1,
    table: str = "full",
    **more: Value,
) -> Instance:
    """Codestreams, one a frame, wrapped as PS3.5 A.4 says."""
    items: list[bytes] = []
    offsets: list[int] = []
    position = 0
    for codestream in codestreams:
        offsets.append(position)
        for piece in _cut(codestream, fragments):
            items.append(piece)
            position += 8 + len(piece) + len(piece) % 2
    extra = dict(module)
    if table == "extended":
        lengths = [len(codestream) + len(codestream) % 2 for codestream in codestreams]
        extra[0x7FE00001] = Element("OV", _longs(offsets))
        extra[0x7FE00002] = Element("OV", _longs(lengths))
    basic = tuple(offsets) if table == "full" else ()
    extra[0x7FE00010] = Element("OB", Fragments(tuple(items), basic))
    return _image(names, extra, len(codestreams), Form(transfer_syntax_uid), more)


def _image(names: Names, extra: Data, frames: int, form: Form, more: Mapping[str, Value]) -> Instance:
    layout = dict(extra)
    if frames > 1:
        layout.update(attributes(NumberOfFrames=frames))
        words = _number(layout[0x00280100]) == 16
        more = {"sop_class": MULTIFRAME_WORD if words else MULTIFRAME_BYTE, **more}
    return make(names, form=form, extra=layout, **more)  # type: ignore[arg-type]


def _number(element: Element) -> int:
    assert isinstance(element.value, int)
    return element.value


def _cut(codestream: bytes, fragments: int) -> list[bytes]:
    size = max(2, -(-len(codestream) // fragments))
    size += size % 2
    return [codestream[start : start + size] for start in range(0, len(codestream), size)] or [b""]


def _longs(values: Sequence[int]) -> bytes:
    return b"".join(value.to_bytes(8, "little") for value in values)


def rle_frame(frame: bytes, bytes_per_pixel: int) -> bytes:
    """One frame as RLE segments, most significant byte first (PS3.5 Annex G)."""
    segments = [_packbits(frame[byte::bytes_per_pixel]) for byte in range(bytes_per_pixel - 1, -1, -1)]
    offsets, position = [], 64
    for segment in segments:
        offsets.append(position)
        position += len(segment)
    header = [len(segments), *offsets] + [0] * (15 - len(segments))
    return b"".join(number.to_bytes(4, "little") for number in header) + b"".join(segments)


def _packbits(plane: bytes) -> bytes:
    packed = bytearray()
    for start in range(0, len(plane), COLUMNS):  # a run never crosses a row (PS3.5 G.3.1)
        row = plane[start : start + COLUMNS]
        if len(set(row)) == 1:
            packed += bytes([257 - len(row), row[0]])
        else:
            packed += bytes([len(row) - 1]) + row
    return bytes(packed + b"\0" * (len(packed) % 2))


def rle_image(names: Names, *, frames: int = 1, table: str = "full", **more: Value) -> Instance:
    """Lossless RLE made here."""
    codestreams = [rle_frame(picture("gray16", frame), 2) for frame in range(frames)]
    return encapsulated_image(
        names,
        RLE,
        codestreams,
        picture_module("gray16"),
        table=table,
        **more,  # type: ignore[arg-type]
    )


def deflated_frame(frame: bytes) -> bytes:
    """One frame of Deflated Image Frame Compression (PS3.5 A.4.13)."""
    return deflate(frame)


# Of odd length, and longer than what a server may put inline.
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n" + b"% fill\n" * 700 + b"trailer<</Root 1 0 R>>\n%%EOF\n"


def pdf(names: Names, document: bytes = PDF, **more: Value) -> Instance:
    """An encapsulated PDF of odd length, padded by one byte that its length attribute tells of."""
    return make(
        names,
        sop_class=ENCAPSULATED_PDF,
        extra=attributes(
            Modality="DOC",
            DocumentTitle="Conformance",
            EncapsulatedDocument=document,
            MIMETypeOfEncapsulatedDocument="application/pdf",
            EncapsulatedDocumentLength=len(document),
        ),
        **more,  # type: ignore[arg-type]
    )


def report(names: Names, **more: Value) -> Instance:
    """A small Basic Text SR."""
    code = attributes(CodeValue="121070", CodingSchemeDesignator="DCM", CodeMeaning="Findings")
    text = attributes(ValueType="TEXT", ConceptNameCodeSequence=[code], TextValue="Nothing to be seen.")
    return make(
        names,
        sop_class=BASIC_TEXT_SR,
        extra=attributes(
            Modality="SR", ValueType="CONTAINER", ConceptNameCodeSequence=[code], ContentSequence=[text]
        ),
        **more,  # type: ignore[arg-type]
    )
