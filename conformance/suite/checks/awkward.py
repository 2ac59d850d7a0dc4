"""Values, offset tables and labels that are wrong but harmless: stored, found, answered."""

from __future__ import annotations

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks.json_rules import violations
from conformance.suite.objects import (
    MULTIFRAME_WORD,
    Form,
    Instance,
    encapsulated_image,
    make,
    native_image,
    picture_module,
)
from conformance.suite.part10 import (
    BIG_ENDIAN,
    EXPLICIT,
    IMPLICIT,
    Data,
    Element,
    Fragments,
    attributes,
    file_meta,
)
from conformance.suite.samples import SAMPLES, picture
from conformance.suite.session import DICOM, JSON, OCTETS, Session, json_array

VALUES: dict[str, Data] = {
    "long texts": attributes(
        PatientName="N" * 10000,
        StudyDescription="D" * 60000,
        PatientID="P" * 10000,
        AccessionNumber="A" * 5000,
        StudyID="S" * 9000,
        SeriesDescription="x" * 9000,
        Modality="M" * 3000,
        StationName="s" * 9000,
    ),
    "NUL inside text": {
        0x00100010: Element("PN", b"A\0B^C\0D"),
        0x00100020: Element("LO", b"\0\0id"),
        0x00081030: Element("LO", b"x\0y "),
    },
    "numbers out of range": attributes(SeriesNumber="9" * 20, InstanceNumber="-" + "9" * 30),
    "numbers that are none": attributes(SeriesNumber="NaN", InstanceNumber="1e-400", NumberOfFrames="9" * 20),
    "dates that are none": attributes(StudyDate="00000000", StudyTime="999999", PatientBirthDate="20069999"),
    "times that are none": attributes(StudyDate="20060231", StudyTime="235960.999999", SeriesDate="1"),
    "thousands of values": attributes(OtherPatientIDs=[f"ID{n}" for n in range(5000)]),
    "several values": attributes(
        PatientName=["A^B", "C^D"], StudyDate=["20060101", "20060102"], Modality=["CT", "MR"]
    ),
    "odd names": attributes(PatientName="====", ReferringPhysicianName="^^^^^^^^=a=b=c=d"),
    "empty items": attributes(RequestAttributesSequence=[{}, {}]),
    "other VRs": {
        0x00080020: Element("OB", b"abcd"),
        0x00080060: Element("FD", [1.5]),
        0x00100010: Element("US", [5]),
        0x00200011: Element("SQ", [{}]),
        0x00400275: Element("LO", "no sequence"),
    },
    "UN": {
        0x00100010: Element("UN", b"Doe^Jane"),
        0x00200011: Element("UN", b"5 "),
        0x00400275: Element("UN", b""),
    },
    "unknown character sets": attributes(SpecificCharacterSet=["ISO 2022 IR 999", "", "GBK"]),
    "invalid UTF-8": {
        0x00080005: Element("CS", "ISO_IR 192"),
        0x00100010: Element("PN", b"\xed\xa0\x80\xed\xb0\x80 x"),
        0x00100020: Element("LO", b"\xf4\x90\x80\x80\xff"),
    },
    "broken escapes": {
        0x00080005: Element("CS", "\\ISO 2022 IR 87"),
        0x00100010: Element("PN", b"\x1b$B\x1b\x1b$$B===^\\\x1b("),
    },
}


@shows("S-28", "B-03", "J-15", seconds=120)
def awkward_values_are_stored_and_answered(session: Session) -> str:
    wrong = []
    for name, elements in VALUES.items():
        instance = make(session, extra=elements)
        answer = session.store(instance)
        if answer.status not in (200, 202):
            wrong.append(f"{name}: not stored ({answer.status})")
            continue
        wrong += [f"{name}: {problem}" for problem in _answers(session, instance)]
    expect(not wrong, "; ".join(wrong[:6]))
    return f"{len(VALUES)} kinds stored, found, retrieved in sound JSON"


def _answers(session: Session, instance: Instance) -> list[str]:
    """What is wrong with the answers about one instance."""
    query = f"StudyInstanceUID={instance.study}&includefield=all"
    wrong = []
    for path in ("/studies", "/series", "/instances", instance.path + "/metadata"):
        search = path in ("/studies", "/series", "/instances")
        response = session.send("GET", path, query=query if search else "", accept=JSON)
        if response.status_code != 200:
            wrong.append(f"{path[-9:]} {response.status_code}")
        else:
            wrong += [problem for one in json_array(response) for problem in violations(one)]
    status = session.send("GET", instance.path, accept=DICOM).status_code
    return wrong if status == 200 else [*wrong, f"instance {status}"]


@shows("P-02")
def a_wrong_transfer_syntax_in_the_meta_is_seen_through(session: Session) -> str:
    pairs = ((EXPLICIT, IMPLICIT), (IMPLICIT, EXPLICIT), (EXPLICIT, BIG_ENDIAN), (BIG_ENDIAN, EXPLICIT))
    seen = []
    for claimed, real in pairs:
        image = native_image(session, form=Form(real))
        session.studies.add(image.study)
        answer = session.store_parts([image.data[:132] + file_meta(image.elements, claimed) + image.dataset])
        expect(answer.status in (200, 202, 409), f"{real} labelled {claimed}: {answer.status}")
        seen.append(answer.status)
        if answer.status != 409:
            frame = session.parts(image.path + "/frames/1", OCTETS)[0].content
            expect(frame == picture("gray16", 0), f"{real} labelled {claimed}: wrong pixels")
    return f"{seen}; what is stored has the right pixels"


@shows("P-08", "W-37", "P-10")
def wrong_basic_offset_tables_do_no_harm(session: Session) -> str:
    streams = tuple(SAMPLES["90"].frames[index % 2] for index in range(3))
    module = picture_module("gray16") | attributes(NumberOfFrames=3)
    for table in ((0, 5, 10), (0, 0, 0), (0, 4000000000, 12), (100, 200, 300), (0, 1)):
        extra = module | {0x7FE00010: Element("OB", Fragments(streams, table))}
        form = Form(SAMPLES["90"].transfer_syntax_uid)
        image = make(session, sop_class=MULTIFRAME_WORD, form=form, extra=extra)
        session.stored(image)
        for number in (1, 2, 3):
            content = session.parts(f"{image.path}/frames/{number}", OCTETS)[0].content
            expect(content == picture("gray16", (number - 1) % 2), f"table {table}: wrong frame {number}")
    return "one fragment a frame: found in spite of five wrong tables"


@shows("P-16", "B-03", "W-61")
def codestreams_of_another_size_are_refused(session: Session) -> str:
    for key in ("50", "70", "80", "90", "201", "110"):
        sample = SAMPLES[key]
        for change in (attributes(Rows=48, Columns=10), attributes(SamplesPerPixel=3, PlanarConfiguration=1)):
            image = encapsulated_image(
                session,
                sample.transfer_syntax_uid,
                [sample.frames[0]],
                picture_module(sample.picture) | change,
            )
            session.stored(image)
            status = session.send("GET", image.path + "/frames/1", accept=OCTETS).status_code
            expect_equal(status, 406, f"{key} frame decoded")
            stored = session.send("GET", image.path + "/frames/1", accept=f"{OCTETS}; transfer-syntax=*")
            expect_equal(stored.status_code, 200, f"{key} frame as stored")
    return "decoded 406, as stored 200"
