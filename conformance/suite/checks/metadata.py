"""Metadata resources and the DICOM JSON model (PS3.18 10.4.1.1.2, Annex F)."""

from __future__ import annotations

import base64
import math
import struct

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.json_rules import violations
from conformance.suite.checks.library import library
from conformance.suite.checks.retrieve import one_file
from conformance.suite.dictionary import tag_of
from conformance.suite.objects import Form, Instance, make
from conformance.suite.part10 import IMPLICIT, Element, attributes
from conformance.suite.session import JSON, OCTETS, Attributes, Session, first

# One private element of each VR, in this order from (0009,1001).
VALUES: dict[str, Element] = {
    "FL": Element("FL", [1.5, -2.0]),
    "FD": Element("FD", [0.1]),
    "SL": Element("SL", [-70000, 7]),
    "SS": Element("SS", [-3]),
    "UL": Element("UL", [4000000000]),
    "US": Element("US", [65535]),
    "SV": Element("SV", [-5, 2**60]),
    "UV": Element("UV", [2**63 + 1, 12]),
    "OB": Element("OB", b"\1\2\3\4"),
    "OW": Element("OW", b"\1\2\3\4"),
    "OL": Element("OL", b"\1\2\3\4"),
    "OF": Element("OF", struct.pack("<2f", 1.0, math.nan)),
    "OD": Element("OD", struct.pack("<d", math.inf)),
    "OV": Element("OV", bytes(range(8))),
    "UN": Element("UN", b"\xde\xad\xbe\xef"),
    "UR": Element("UR", "http://example.org/a\\b"),
    "UC": Element("UC", ["one", "two"]),
    "AE": Element("AE", "STATION"),
    "DT": Element("DT", "20060705101500.5+0200"),
    "ST": Element("ST", "short\\text"),
}


def zoo_elements() -> dict[int, Element]:
    """One private element of each VR, and a few standard ones that are awkward in JSON."""
    elements = attributes(
        PatientName="Zoo^Animal^of^Dr.^III",
        OtherPatientNames=["Alias^One", "Alias^Two"],
        ImageType=["ORIGINAL", "PRIMARY", "", "AXIAL"],
        FrameIncrementPointer=[0x00181063, 0x0018A00B],
        PixelSpacing=["0.50", "1.250e-1"],
        ImagePositionPatient=["-1.0", "+2", "3."],
        WindowCenter="nonsense",
        PatientComments="one\\two is a single value",
        ProcedureCodeSequence=[attributes(CodeValue="C1", CodeMeaning="Meaning"), {}],
        ReferencedImageSequence=[],
        PatientAge="",
        LongCodeValue="a long code",
    )
    elements[0x00090010] = Element("LO", "CONFORMANCE SUITE")
    elements[0x00090011] = Element("LO", "ANOTHER MAKER")
    for index, element in enumerate(VALUES.values()):
        elements[0x00091001 + index] = element
    elements[0x00091101] = Element("LO", "second block")
    return elements


def zoo_tags() -> dict[str, str]:
    """VR -> tag of the private element that carries it."""
    return {vr: f"{0x00091001 + index:08X}" for index, vr in enumerate(VALUES)}


def whole_zoo(session: Session) -> tuple[Instance, Attributes]:
    """An instance with every VR, and its metadata."""

    def store(run: Session) -> tuple[Instance, Attributes]:
        instance = make(run, extra=zoo_elements())
        run.stored(instance)
        return instance, run.metadata(instance.path)[0]

    return session.once("an instance with every VR", store)


@shows("W-02", "M-02", "G-68", "J-01")
def metadata_at_three_levels(session: Session) -> str:
    alpha = library(session).alpha
    counts = [
        len(session.metadata(path)) for path in (alpha[0].study_path, alpha[0].series_path, alpha[0].path)
    ]
    expect_equal(counts, [3, 2, 1], "objects of study, series, instance")
    for accept in (JSON, "*/*", "application/json"):
        response = session.get(alpha[0].path + "/metadata", accept=accept)
        expect_equal(response.status_code, 200, f"Accept {accept}")
        expect(
            response.headers["content-type"].startswith(("application/dicom+json", "application/json")),
            accept,
        )
    return "one array of 3, 2, 1"


@shows("M-02")
def other_metadata_types_are_406(session: Session) -> str:
    path = pictures.native(session).path + "/metadata"
    for accept in ("image/jpeg", 'multipart/related; type="application/dicom"', "text/plain"):
        expect_equal(session.get(path, accept=accept).status_code, 406, accept)
    return "image/jpeg, application/dicom, text/plain: 406"


@shows("J-01", "J-02", "J-03", "J-11", "W-21", "W-23")
def data_sets_keep_to_the_json_model(session: Session) -> str:
    _, zoo = whole_zoo(session)
    made = library(session)
    found = violations(zoo)
    count = 1
    others = [pictures.native(session), pictures.document(session), pictures.text_report(session)]
    for instance in (*others, made.delta, made.gamma, made.alpha[0]):
        for one in session.metadata(instance.study_path):
            found += violations(one)
            count += 1
    expect(not found, "; ".join(found[:6]))
    return f"{count} data sets"


@shows("J-02", "Q-54")
def search_results_keep_to_the_json_model(session: Session) -> str:
    library(session)
    found: list[str] = []
    count = 0
    for path in ("/studies", "/series", "/instances"):
        for one in session.search(path, f"AccessionNumber={session.token}&includefield=all"):
            found += violations(one)
            count += 1
    expect(not found, "; ".join(found[:6]))
    return f"{count} results"


@shows("W-20", "G-45", "J-21")
def nothing_is_dropped_from_metadata(session: Session) -> str:
    instance, zoo = whole_zoo(session)
    missing = [f"{tag:08X}" for tag in instance.elements if f"{tag:08X}" not in zoo]
    expect(not missing, f"lost {', '.join(missing)}")
    expect(not [tag for tag in zoo if tag.startswith("0002")], "group 2 in metadata")
    native = session.metadata(pictures.native(session).path)[0]
    expect("BulkDataURI" in native["7FE00010"], "Pixel Data without BulkDataURI")
    charset = first(zoo, "00080005")
    expect(charset in (None, "ISO_IR 192"), f"(0008,0005) is {charset}")
    return f"{len(instance.elements)} attributes in, {len(zoo)} out"


@shows("J-03", "J-04")
def empty_values(session: Session) -> str:
    _, zoo = whole_zoo(session)
    expect_equal(zoo[tag_of("PatientAge")], {"vr": "AS"}, "empty PatientAge")
    expect_equal(zoo[tag_of("ReferencedImageSequence")], {"vr": "SQ"}, "sequence without items")
    expect_equal(zoo[tag_of("ImageType")]["Value"], ["ORIGINAL", "PRIMARY", None, "AXIAL"], "ImageType")
    items = zoo[tag_of("ProcedureCodeSequence")].get("Value", [])
    expect_equal(items[1:], [{}], "the empty item")
    return "only vr; null inside; {} for an empty item"


@shows("J-05")
def person_names(session: Session) -> str:
    _, zoo = whole_zoo(session)
    expect_equal(
        zoo[tag_of("PatientName")]["Value"], [{"Alphabetic": "Zoo^Animal^of^Dr.^III"}], "PatientName"
    )
    aliases = [{"Alphabetic": "Alias^One"}, {"Alphabetic": "Alias^Two"}]
    expect_equal(zoo[tag_of("OtherPatientNames")]["Value"], aliases, "OtherPatientNames")
    gamma = session.metadata(library(session).gamma.path)[0][tag_of("PatientName")]["Value"][0]
    wanted = {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
    expect_equal(gamma, wanted, "three groups")
    return "objects of the non-empty groups"


@shows("J-06")
def attribute_tags(session: Session) -> str:
    _, zoo = whole_zoo(session)
    expect_equal(zoo[tag_of("FrameIncrementPointer")]["Value"], ["00181063", "0018A00B"], "AT")
    return "8 upper-case hex digits"


@shows("J-07")
def numbers_are_numbers(session: Session) -> str:
    _, zoo = whole_zoo(session)
    tags = zoo_tags()
    wanted = {
        "FL": [1.5, -2.0],
        "FD": [0.1],
        "SL": [-70000, 7],
        "SS": [-3],
        "UL": [4000000000],
        "US": [65535],
    }
    for vr, values in wanted.items():
        expect_equal(zoo[tags[vr]].get("Value"), values, vr)
    expect_equal(zoo[tag_of("PixelSpacing")]["Value"], [0.5, 0.125], "DS")
    expect_equal(zoo[tag_of("ImagePositionPatient")]["Value"], [-1, 2, 3], "DS with sign and bare point")
    expect_equal(zoo[tag_of("SeriesNumber")]["Value"], [1], "IS")
    expect_equal([int(one) for one in zoo[tags["SV"]]["Value"]], [-5, 2**60], "SV")
    expect_equal([int(one) for one in zoo[tags["UV"]]["Value"]], [2**63 + 1, 12], "UV")
    return "FL FD SL SS UL US IS DS as JSON numbers, SV and UV exact"


@shows("J-08")
def numbers_that_are_none_stay_text(session: Session) -> str:
    _, zoo = whole_zoo(session)
    expect_equal(zoo[tag_of("WindowCenter")].get("Value"), ["nonsense"], "WindowCenter")
    return "string"


@shows("J-09", "J-10")
def binary_values_are_inline_or_by_uri(session: Session) -> str:
    instance, zoo = whole_zoo(session)
    for vr in ("OB", "OW", "OL", "OF", "OD", "OV", "UN"):
        tag = zoo_tags()[vr]
        wanted = instance.elements[int(tag, 16)].value
        expect_equal(bytes_of(session, zoo[tag]), wanted, f"{vr} of {len(wanted)} bytes")  # type: ignore[arg-type]
    return "the bytes of OB OW OL OF OD OV UN, NaN and Infinity included"


def bytes_of(session: Session, attribute: Attributes) -> bytes:
    """The value of an attribute in either form."""
    if "InlineBinary" in attribute:
        return base64.b64decode(attribute["InlineBinary"])
    return session.parts(attribute["BulkDataURI"], OCTETS)[0].content


@shows("J-09")
def nan_and_infinity_break_nothing(session: Session) -> str:
    instance = make(session, DiffusionBValue=[math.nan, math.inf, 1.0])
    session.stored(instance)
    attribute = session.metadata(instance.path)[0][tag_of("DiffusionBValue")]
    expect("BulkDataURI" in attribute or "Value" in attribute, f"FD with NaN became {attribute}")
    session.search("/instances", f"SOPInstanceUID={instance.sop}&includefield=DiffusionBValue")
    return "strict JSON, " + ("by BulkDataURI" if "BulkDataURI" in attribute else "as Value")


@shows("J-12")
def text_values(session: Session) -> str:
    _, zoo = whole_zoo(session)
    tags = zoo_tags()
    wanted = {
        tag_of("PatientComments"): ["one\\two is a single value"],
        tags["UR"]: ["http://example.org/a\\b"],
        tags["ST"]: ["short\\text"],
        tags["UC"]: ["one", "two"],
        tags["DT"]: ["20060705101500.5+0200"],
        tags["AE"]: ["STATION"],
        tag_of("PatientBirthDate"): ["19600101"],
    }
    for tag, value in wanted.items():
        expect_equal(zoo[tag].get("Value"), value, tag)
    return "padding removed; backslash splits UC, not LT, ST, UR"


@shows("J-13", "P-06")
def the_vr_is_the_true_one(session: Session) -> str:
    _, zoo = whole_zoo(session)
    for vr, tag in zoo_tags().items():
        expect_equal(zoo[tag]["vr"], vr, tag)
    padding = {0x00280120: Element("SS", -2000), 0x00280106: Element("SS", -7)}
    image = make(session, form=Form(IMPLICIT), PixelRepresentation=1, extra=padding)
    session.stored(image)
    metadata = session.metadata(image.path)[0]
    for tag, value in (("00280120", -2000), ("00280106", -7)):
        expect_equal(metadata[tag], {"vr": "SS", "Value": [value]}, f"{tag} of signed pixels, implicit VR")
    return "20 VRs; US or SS by PixelRepresentation"


@shows("J-13")
def known_un_is_resolved(session: Session) -> str:
    instance = make(session, extra={0x00180060: Element("UN", b"120 ")})
    session.stored(instance)
    attribute = session.metadata(instance.path)[0]["00180060"]
    expect_equal(attribute, {"vr": "DS", "Value": [120]}, "KVP stored as UN")
    return "KVP stored as UN is DS in JSON"


@shows("J-14")
def private_elements_keep_their_blocks(session: Session) -> str:
    _, zoo = whole_zoo(session)
    expect_equal(zoo["00090010"], {"vr": "LO", "Value": ["CONFORMANCE SUITE"]}, "first creator")
    expect_equal(zoo["00090011"], {"vr": "LO", "Value": ["ANOTHER MAKER"]}, "second creator")
    expect_equal(zoo["00091101"], {"vr": "LO", "Value": ["second block"]}, "element of the second block")
    return "two creators in one group"


@shows("J-15")
def any_bytes_make_valid_json(session: Session) -> str:
    names: dict[int, Element] = {
        0x00100010: Element("PN", b"Bad\xff\xfe\x80^Bytes"),
        0x00081030: Element("LO", b'tab\there "quoted" \x1f\x7f '),
        0x00104000: Element("LT", b"\xed\xa0\x80 lone surrogate, \xc3 cut"),
    }
    for charset in ("ISO_IR 192", "ISO_IR 100", "no such charset"):
        instance = make(session, extra=names, SpecificCharacterSet=charset)
        session.stored(instance)
        metadata = session.metadata(instance.path)[0]
        expect("Bad" in str(metadata["00100010"]), f"{charset}: PatientName {metadata['00100010']}")
        session.search("/studies", f"StudyInstanceUID={instance.study}&includefield=StudyDescription")
    return "invalid UTF-8, control characters, unknown character set"


@shows("W-22", "W-27")
def metadata_instance_and_search_agree(session: Session) -> str:
    alpha = library(session).alpha[0]
    metadata = session.metadata(alpha.path)[0]
    elements = one_file(session, alpha).elements()
    found = session.search(f"{alpha.series_path}/instances", f"SOPInstanceUID={alpha.sop}&includefield=all")[
        0
    ]
    for name in ("StudyDate", "PatientID", "Modality", "SOPClassUID"):
        tag = tag_of(name)
        value = first(metadata, tag)
        expect_equal(elements[int(tag, 16)].text, value, f"{name} in the instance")
        if tag in found:
            expect_equal(first(found, tag), value, f"{name} in the search result")
    expect_equal(
        metadata[tag_of("PatientName")]["Value"][0]["Alphabetic"], "Müller^Anna Maria", "PatientName"
    )
    return "same values in metadata, instance, search"
