"""Instances as stored and as Explicit VR Little Endian (PS3.18 10.4, 8.7.3)."""

from __future__ import annotations

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.multipart import Part
from conformance.suite.objects import (
    BASIC_TEXT_SR,
    PARAMETRIC_MAP,
    Form,
    Instance,
    compressed_image,
    make,
    native_image,
    pixel_module,
    report,
)
from conformance.suite.part10 import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, Element, attributes
from conformance.suite.reader import File, read_file
from conformance.suite.samples import picture
from conformance.suite.session import DICOM, STORED, Session, first

SINGLE = "application/dicom"


def one_file(session: Session, instance: Instance, accept: str = DICOM) -> File:
    """The instance as the archive sends it, with the part's headers held against the file."""
    parts = session.parts(instance.path, accept)
    expect_equal(len(parts), 1, "parts")
    file = read_file(parts[0].content)
    _check_part(parts[0], file)
    return file


def _check_part(part: Part, file: File) -> None:
    media_type, parameters = part.content_type
    expect_equal(media_type, SINGLE, "Content-Type of the part")
    named = parameters.get("transfer-syntax")
    expect(named is None or named == file.transfer_syntax_uid,
           f"part says {named}, file meta {file.transfer_syntax_uid}")  # fmt: skip


@shows("W-01", "M-01")
def study_series_and_instance_are_retrieved(session: Session) -> str:
    study = session.new_uid()
    made = [make(session, study=study, series=session.root + tail) for tail in (".51", ".51", ".52")]
    session.stored(*made)
    counts = []
    for path in (made[0].study_path, made[0].series_path, made[0].path):
        files = [read_file(part.content) for part in session.parts(path, DICOM)]
        counts.append(len(files))
        uids = {file.meta[0x00020003].text for file in files}
        expect(uids <= {one.sop for one in made}, "an instance that does not belong there")
        expect_equal(len(uids), len(files), "different instances")
    expect_equal(counts, [3, 2, 1], "instances of study, series, instance")
    return "3, 2 and 1 parts"


@shows("W-64", "Q-47")
def instances_come_in_a_known_order(session: Session) -> str:
    study = session.new_uid()
    made = [
        make(
            session,
            study=study,
            series=f"{session.root}.6{series}",
            SeriesNumber=series,
            InstanceNumber=number,
        )
        for series in ("10", "2")
        for number in ("10", "9", "1")
    ]
    session.stored(*made)
    wanted = [one.sop for one in reversed(made)]
    files = [read_file(part.content) for part in session.parts(f"/studies/{study}", DICOM)]
    expect_equal([file.meta[0x00020003].text for file in files], wanted, "order of the parts")
    metadata = [first(one, "00080018") for one in session.metadata(f"/studies/{study}")]
    expect_equal(metadata, wanted, "order of the metadata")
    return "series number, instance number"


@shows("W-09")
def parents_in_the_path_are_checked(session: Session) -> str:
    one, two = pictures.native(session), pictures.text_report(session)
    paths = (
        f"/studies/{two.study}/series/{one.series}/instances/{one.sop}",
        f"/studies/{one.study}/series/{two.series}/instances/{one.sop}",
        f"/studies/{two.study}/series/{one.series}",
    )
    for path in paths:
        for tail in ("", "/metadata"):
            status = session.get(path + tail, accept="*/*").status_code
            expect_equal(status, 404, f"a wrong parent{tail}")
    path = paths[0] + "/frames/1"
    expect_equal(session.get(path).status_code, 404, "frames below a wrong parent")
    return "404 on instance, series, metadata, frames"


@shows("W-10", "P-01")
def instances_are_part_10_files(session: Session) -> str:
    instance = pictures.native(session)
    for accept in (DICOM, STORED):
        file = one_file(session, instance, accept)
        expect_equal(file.preamble, bytes(128), "preamble")
        expect_equal(file.meta[0x00020002].text, instance.sop_class, "(0002,0002)")
        expect_equal(file.meta[0x00020003].text, instance.sop, "(0002,0003)")
        expect_equal(file.meta[0x00020001].value, b"\0\1", "(0002,0001)")
        file.elements()
    return "preamble, DICM, group 2 of right length and content"


@shows("W-11", "G-32", "G-29", "G-30", "M-10")
def transfer_syntax_chooses_the_encoding(session: Session) -> str:
    image = pictures.compressed(session, "90")
    uid = image.transfer_syntax_uid
    base = 'multipart/related; type="application/dicom"'
    cases = {
        base: EXPLICIT,
        f"{base}; transfer-syntax={EXPLICIT}": EXPLICIT,
        f'{base}; transfer-syntax="{EXPLICIT}"': EXPLICIT,
        f"{base}; transfer-syntax=*": uid,
        f'{base}; transfer-syntax="*"': uid,
        f"{base}; transfer-syntax={uid}": uid,
        f"{base}; transfer-syntax={EXPLICIT}; q=0.5, {base}; transfer-syntax={uid}; q=0.9": uid,
        f"{base}; transfer-syntax={uid}; q=0.5, {base}; transfer-syntax={EXPLICIT}; q=0.9": EXPLICIT,
    }
    for accept, wanted in cases.items():
        expect_equal(one_file(session, image, accept).transfer_syntax_uid, wanted, accept[44:])
    file = one_file(session, image, STORED)
    expect(file.dataset == image.dataset, "transfer-syntax=*: not the bytes that were stored")
    return "ELE by default, as stored by * byte for byte, or the one asked for"


@shows("G-29")
def transfer_syntax_given_twice_is_an_error(session: Session) -> str:
    image = pictures.native(session)
    accept = f"{DICOM}; transfer-syntax={EXPLICIT}; transfer-syntax=*"
    status = session.get(image.path, accept=accept).status_code
    expect(status in (400, 406), f"status {status}")
    return str(status)


@shows("G-31", "G-28")
def implicit_and_big_endian_are_never_sent(session: Session) -> str:
    for uid in (IMPLICIT, BIG_ENDIAN):
        image = native_image(session, form=Form(uid))
        session.stored(image)
        file = one_file(session, image, STORED)
        expect_equal(file.transfer_syntax_uid, EXPLICIT, f"transfer-syntax=* of {uid}")
        expect_equal(file.elements()[0x7FE00010].value, picture("gray16", 0), f"pixels of {uid}")
        accept = f"{DICOM}; transfer-syntax={uid}"
        status = session.get(image.path, accept=accept).status_code
        expect_equal(status, 406, f"status when {uid} is asked for")
    return "sent as Explicit VR Little Endian; asked for by name: 406"


@shows("G-28", "W-16", "W-34")
def each_part_has_its_own_syntax(session: Session) -> str:
    image = compressed_image(session, "90")
    text = report(session, study=image.study)
    session.stored(image, text)
    seen = set()
    for accept in (f"{DICOM}; transfer-syntax={image.transfer_syntax_uid}", STORED):
        for part in session.parts(image.study_path, accept):
            file = read_file(part.content)
            _check_part(part, file)
            wanted = EXPLICIT if file.meta[0x00020002].text == BASIC_TEXT_SR else image.transfer_syntax_uid
            expect_equal(file.transfer_syntax_uid, wanted, f"syntax under {accept[44:]}")
            named = part.content_type[1].get("transfer-syntax")
            expect_equal(named, wanted, "transfer-syntax of the part's Content-Type")
            seen.add(wanted)
    expect_equal(len(seen), 2, "different syntaxes in one answer")
    return "JPEG 2000 image and ELE report in one answer, each labelled"


@shows("W-16")
def pixel_syntaxes_do_not_matter_without_pixels(session: Session) -> str:
    text = pictures.text_report(session)
    accept = f"{DICOM}; transfer-syntax=1.2.840.10008.1.2.4.80"
    expect_equal(one_file(session, text, accept).transfer_syntax_uid, EXPLICIT, "syntax")
    return "a report asked for in JPEG-LS goes as ELE"


@shows("W-15", "G-37", "W-61")
def impossible_syntaxes_are_406_with_a_list(session: Session) -> str:
    image = pictures.native(session)
    for tail in ("100", "50", "107"):
        accept = f"{DICOM}; transfer-syntax=1.2.840.10008.1.2.4.{tail}"
        response = session.get(image.path, accept=accept)
        expect_equal(response.status_code, 406, f"1.2.4.{tail} of a 16-bit CT")
        expect("application/dicom" in response.text, "the 406 does not list what there is")
    return "MPEG-2, 8-bit JPEG, HEVC of a 16-bit CT: 406, body lists what there is"


@shows("G-35", "W-34")
def parts_carry_their_transfer_syntax(session: Session) -> str:
    for image in (pictures.native(session), pictures.compressed(session, "80"), pictures.rle(session)):
        for accept in (DICOM, STORED):
            part = session.parts(image.path, accept)[0]
            named = part.content_type[1].get("transfer-syntax")
            expect_equal(named, read_file(part.content).transfer_syntax_uid, "transfer-syntax of the part")
    return "parameter equals (0002,0010)"


@shows("W-18", "M-01", "G-36")
def single_part_instances(session: Session) -> str:
    image = pictures.compressed(session, "90")
    for accept, wanted in ((SINGLE, EXPLICIT), (f"{SINGLE}; transfer-syntax=*", image.transfer_syntax_uid)):
        response = session.get(image.path, accept=accept)
        expect_equal(response.status_code, 200, accept)
        content_type = response.headers.get("content-type", "")
        expect(content_type.startswith(SINGLE), f"Content-Type {content_type}")
        expect_equal(read_file(response.content).transfer_syntax_uid, wanted, accept)
    for path in (image.study_path, image.series_path):
        expect_equal(session.get(path, accept=SINGLE).status_code, 406, "single part of a study or series")
    return "one instance 200, study and series 406"


@shows("M-01", "W-40")
def bulkdata_of_an_instance_by_its_legacy_form(session: Session) -> str:
    image = pictures.native(session)
    parts = session.parts(image.path, 'multipart/related; type="application/octet-stream"')
    expect_equal([part.content for part in parts], [picture("gray16", 0)], "parts")
    return "the pixel data"


@shows("W-17")
def float_pixels_and_no_pixels(session: Session) -> str:
    floats = b"".join(bytes([0, 0, n % 256, 0x3F]) for n in range(480))
    module = pixel_module(bits_allocated=32, bits_stored=32)
    for tag in (0x00280101, 0x00280102, 0x00280103):
        del module[tag]
    extra = module | {0x7FE00008: Element("OF", floats)}
    for form in (Form(), Form(BIG_ENDIAN), Form(IMPLICIT)):
        image = make(session, sop_class=PARAMETRIC_MAP, form=form, extra=extra)
        session.stored(image)
        elements = one_file(session, image).elements()
        expect(elements[0x7FE00008].value == floats, f"Float Pixel Data from {form.transfer_syntax_uid}")
        expect("7FE00008" in session.metadata(image.path)[0], "no Float Pixel Data in the metadata")
    return "Float Pixel Data from ELE, big-endian, implicit; reports without pixels"


@shows("W-14")
def long_values_of_short_vrs_become_un(session: Session) -> str:
    text = "A" * 70000
    instance = make(session, form=Form(IMPLICIT), ImageComments=text)
    session.stored(instance)
    element = one_file(session, instance).elements()[0x00204000]
    expect_equal((element.vr, element.value), ("UN", text.encode()), "ImageComments of 70,000 characters")
    value = session.metadata(instance.path)[0]["00204000"]
    expect("BulkDataURI" in value or value.get("Value") == [text], "the metadata has lost it")
    return "UN in Explicit VR"


@shows("W-12", "P-04", "P-07", "M-17")
def native_encodings_become_explicit_little_endian(session: Session) -> str:
    nested = attributes(
        ProcedureCodeSequence=[attributes(CodeValue="A", CodeMeaning="deep"), {}],
        FrameIncrementPointer=[0x00181063],
        TagAngleSecondAxis=-2,
        DiffusionBValue=[1.5, -2.25],
    )
    nested[0x00091001] = Element("US", [1, 2, 3])
    nested[0x00090010] = Element("LO", "CONFORMANCE SUITE")
    plain: dict[int, object] = {}
    for uid in (EXPLICIT, IMPLICIT, DEFLATED, BIG_ENDIAN):
        image = native_image(session, form=Form(uid), extra_elements=nested)
        session.stored(image)
        elements = one_file(session, image).elements()
        expect_equal(elements[0x7FE00010].value, picture("gray16", 0), f"pixels from {uid}")
        seen: dict[int, object] = {
            tag: one.value or one.items for tag, one in elements.items() if tag >> 16 != 9
        }
        for tag in (0x00080018, 0x0020000D, 0x0020000E):
            seen.pop(tag)
        plain = plain or seen
        expect_equal(sorted(seen), sorted(plain), f"attributes from {uid}")
        differing = [f"{tag:08X}" for tag in seen if repr(seen[tag]) != repr(plain[tag])]
        expect(not differing, f"{uid}: values differ in {differing}")
    return "implicit, deflated, big-endian give the values of explicit"
