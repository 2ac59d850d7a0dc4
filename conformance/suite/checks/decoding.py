"""Every compressed syntax: stored, returned as stored, decoded to the picture it came from (PS3.5 A.4)."""

from __future__ import annotations

from collections.abc import Callable

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks.retrieve import one_file
from conformance.suite.objects import (
    Form,
    Instance,
    compressed_image,
    deflated_frame,
    encapsulated_image,
    make,
    picture_module,
    rle_image,
)
from conformance.suite.part10 import DEFLATED_FRAMES, ENCAPSULATED_UNCOMPRESSED, EXPLICIT, Element, attributes
from conformance.suite.samples import RGB_J2K, RGB_JPEG, SAMPLES, Sample, greatest_error, picture
from conformance.suite.session import OCTETS, STORED, Session


def _round(session: Session, image: Instance, name: str, tolerance: int) -> str:
    """What is wrong with one image, or nothing."""
    answer = session.store(image)
    if answer.status != 200:
        return f"not stored ({answer.status})"
    if one_file(session, image, STORED).dataset != image.dataset:
        return "not returned as stored"
    file = one_file(session, image)
    if file.transfer_syntax_uid != EXPLICIT:
        return f"sent as {file.transfer_syntax_uid}"
    error = greatest_error(file.elements()[0x7FE00010].value, name, 0)
    if error > tolerance:
        return f"decoded wrongly (error {error})"
    frame = session.parts(image.path + "/frames/1", OCTETS)[0].content
    error = greatest_error(frame, name, 0)
    return f"frame decoded wrongly (error {error})" if error > tolerance else ""


def _rounds(session: Session, images: dict[str, Callable[[], Instance]], name: str = "") -> str:
    wrong = []
    for key, image in images.items():
        sample = SAMPLES.get(key)
        try:
            found = _round(
                session,
                image(),
                name or (sample.picture if sample else "gray16"),
                sample.tolerance if sample else 0,
            )
        except Exception as error:
            found = str(error)
        if found:
            wrong.append(f"{key}: {found}")
    expect(not wrong, "; ".join(wrong))
    return f"{len(images)} syntaxes exact or within tolerance: {', '.join(images)}"


def _samples(session: Session, *keys: str) -> str:
    return _rounds(session, {key: _maker(session, key) for key in keys})


def _maker(session: Session, key: str) -> Callable[[], Instance]:
    return lambda: compressed_image(session, key)


@shows("W-12", "P-15", "P-14")
def rle_is_decoded(session: Session) -> str:
    return _rounds(session, {"RLE": lambda: rle_image(session)})


@shows("W-12", "P-15", "P-14")
def jpeg_is_decoded(session: Session) -> str:
    return _samples(session, "50", "51", "57", "70")


@shows("W-12", "P-15", "P-14")
def jpeg_ls_is_decoded(session: Session) -> str:
    return _samples(session, "80", "81")


@shows("W-12", "P-15", "P-14")
def jpeg_2000_is_decoded(session: Session) -> str:
    return _samples(session, "90", "91")


@shows("W-12", "P-15", "P-14")
def htj2k_is_decoded(session: Session) -> str:
    return _samples(session, "201", "202", "203")


@shows("P-14", "P-15")
def jpeg_xl_is_decoded(session: Session) -> str:
    return _samples(session, "110", "111", "112")


@shows("P-14", "P-15")
def deflated_and_uncompressed_frames_are_decoded(session: Session) -> str:
    module, frame = picture_module("gray16"), picture("gray16", 0)
    return _rounds(
        session,
        {
            "1.2.8.1": lambda: encapsulated_image(session, DEFLATED_FRAMES, [deflated_frame(frame)], module),
            "1.2.1.98": lambda: encapsulated_image(session, ENCAPSULATED_UNCOMPRESSED, [frame], module),
        },
    )


@shows("P-14", "P-15", "W-19")
def undecodable_syntaxes_come_back_as_stored(session: Session) -> str:
    stream = bytes([0, 0, 1, 0xB3]) + bytes(range(256)) * 4
    for tail in ("100", "102", "107", "53"):
        uid = f"1.2.840.10008.1.2.4.{tail}"
        image = encapsulated_image(session, uid, [stream], picture_module("smooth8"), table="empty")
        expect_equal(session.store(image).status, 200, f"storing {uid}")
        expect(one_file(session, image, STORED).dataset == image.dataset, f"{uid}: other bytes come back")
    jpip = make(session, form=Form(SAMPLES["90"].transfer_syntax_uid[:-2] + "94"), extra=_by_reference())
    expect_equal(session.store(jpip).status, 200, "storing JPIP Referenced")
    expect(one_file(session, jpip, STORED).dataset == jpip.dataset, "JPIP Referenced: other bytes come back")
    return "MPEG-2, H.264, HEVC, a retired JPEG, JPIP Referenced"


def _by_reference() -> dict[int, Element]:
    """Pixels that lie on another server (PS3.5 A.6)."""
    return picture_module("gray16") | {0x00287FE0: Element("UR", "http://example.org/jpip?target=1")}


def _colour(session: Session, sample: Sample, photometric: str) -> Instance:
    module = picture_module("rgb", photometric=photometric)
    if sample.tolerance:
        module |= attributes(LossyImageCompression="01")
    return encapsulated_image(session, sample.transfer_syntax_uid, [sample.frames[0]], module)


@shows("W-13", "Z-08", "P-13", "W-27")
def dependent_attributes_follow_decoding(session: Session) -> str:
    for sample, photometric in ((RGB_JPEG, "YBR_FULL_422"), (RGB_J2K, "YBR_RCT")):
        image = _colour(session, sample, photometric)
        session.stored(image)
        elements = one_file(session, image).elements()
        error = greatest_error(elements[0x7FE00010].value, "rgb", 0)
        expect(error <= sample.tolerance, f"{photometric}: decoded RGB is off by {error}")
        expect_equal(elements[0x00280004].text, "RGB", f"PhotometricInterpretation of decoded {photometric}")
        expect_equal(elements[0x00280006].number, 0, "PlanarConfiguration")
        expect_equal(
            0x00282110 in elements and elements[0x00282110].text,
            "01" if sample.tolerance else False,
            "LossyImageCompression",
        )
        stored = session.metadata(image.path)[0]["00280004"]["Value"]
        expect_equal(stored, [photometric], "PhotometricInterpretation in the metadata")
    return "YBR_FULL_422 JPEG and YBR_RCT JPEG 2000 come out RGB, metadata says what is stored"
