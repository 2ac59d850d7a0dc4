"""Content negotiation (PS3.18 8.7): what real clients ask for, and the rules one by one."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dicomweb.dicom.transfer_syntax import TRANSFER_SYNTAXES, TransferSyntax
from dicomweb.errors import InvalidRequest, NotAcceptable
from dicomweb.protocol.media_types import media_ranges
from dicomweb.protocol.negotiate import Acceptable, acceptable, available, choose, document, negotiate
from dicomweb.protocol.representations import Category, Chosen, Resource, Stored, category_of

GOLDEN = Path(__file__).parent.parent / "golden" / "accept_clients.json"

ELE = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
BIG = "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.50"
JLS = "1.2.840.10008.1.2.4.80"
J2K = "1.2.840.10008.1.2.4.90"
MP4 = "1.2.840.10008.1.2.4.102"
HTJ2K = "1.2.840.10008.1.2.4.201"
RPCL = "1.2.840.10008.1.2.4.202"
DICOM = 'multipart/related; type="application/dicom"'
SINGLE = "application/dicom"
M = "multipart application/dicom "
S = "single application/dicom "
OCTETS = 'multipart/related; type="application/octet-stream"'
OCTETS_AS_STORED = "multipart/related; type=application/octet-stream; transfer-syntax=*"


def image(uid: str, *, decodable: bool = True, codestreams: int = 1) -> Stored:
    return Stored(uid, category_of("1.2.840.10008.5.1.4.1.1.2", uid, 1), decodable, codestreams)


ALL_ENCODABLE = frozenset(
    f"1.2.840.10008.1.2.{end}"
    for end in (
        "5 8.1 1.98 1.99 " + " ".join(f"4.{n}" for n in (50, 51, 70, 80, 81, 90, 91, 110, 112, 201))
    ).split()
)


def encodable(uid: str, **more: Any) -> Stored:
    """An image that every encoder takes."""
    return replace(image(uid), encodable=ALL_ENCODABLE - {uid}, **more)


def accept(resource: Resource, *headers: str, parameters: tuple[str, ...] = ()) -> Acceptable:
    return acceptable(headers, parameters, resource)


def one(resource: Resource, header: str, stored: Stored, **more: Any) -> str:
    """packaging, media type and transfer syntax of a single-item answer, or 406."""
    try:
        wanted = accept(resource, header, **more)
        answer = negotiate(wanted, [stored], single_item=True)
    except NotAcceptable:
        return "406"
    (chosen,) = answer.parts
    assert chosen is not None
    packaging = "multipart" if answer.multipart else "single"
    return " ".join(filter(None, (packaging, chosen.media_type, chosen.transfer_syntax_uid)))


def golden_stored(text: str) -> Stored:
    uid = text.lstrip("!#")
    if not uid or "/" in uid:
        return Stored.value(uid)
    if text[0] == "#":
        return Stored(uid, Category.TEXT)
    return image(uid, decodable=text[0] != "!")


def golden_cases() -> list[Any]:
    cases = json.loads(GOLDEN.read_text())["cases"]
    return [
        pytest.param(case, stored, expected, id=f"{case['client'][:40]} {case['resource']} {stored}")
        for case in cases
        for stored, expected in case["stored"].items()
    ]


@pytest.mark.parametrize(("case", "stored", "expected"), golden_cases())
def test_real_clients_get_what_they_need(case: dict[str, Any], stored: str, expected: str) -> None:
    (header,) = case["accept"]
    assert one(Resource(case["resource"]), header, golden_stored(stored)) == expected


# --- Quality and order (G-20 to G-24)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"{DICOM};q=0.1, application/dicom", S + ELE),
        (f"application/dicom;Q=0.100, {DICOM}", M + ELE),
        (f"{DICOM}, application/dicom", M + ELE),
        ("*/*, application/dicom;q=0.5", M + ELE),
        (f"{DICOM};q=0, */*", S + ELE),
        ("application/dicom;q=0, multipart/*;q=0, */*", "406"),
        (f"{SINGLE};transfer-syntax={J2K};q=0, {SINGLE};transfer-syntax=*", S + ELE),
        ("application/*", S + ELE),
        ("multipart/related", M + ELE),
        ("multipart/*", M + ELE),
        ('MULTIPART/Related; TYPE="Application/DICOM"; charset=utf-8; boundary=x', M + ELE),
        ('multipart/related; transfer-syntax="*"; type="application/dicom"', M + J2K),
        (f"garbage, ;;;, {SINGLE};q=2, {SINGLE};q=x, text/*;q=0.3, {SINGLE}", S + ELE),
        (f"application/dicom;transfer-syntax={J2K};transfer-syntax={ELE}", "406"),
        ("multipart/mixed; type=application/dicom", "406"),
        ("image/*", "406"),
        ("garbage", "406"),
        ("application/dicom+json", "406"),
        (f"application/dicom;transfer-syntax={IMPLICIT}", "406"),
    ],
)
def test_quality_then_order_of_appearance_decides(header: str, expected: str) -> None:
    assert one(Resource.INSTANCES, header, image(J2K)) == expected


def test_a_comma_in_quotes_does_not_separate() -> None:
    assert one(Resource.INSTANCES, 'text/x;a="1, application/dicom, 2"', image(ELE)) == "406"


def test_header_lines_are_joined() -> None:
    assert accept(Resource.METADATA, "text/html", "application/dicom+json;q=0.1")


def test_a_request_without_accept_is_as_any_unless_strict() -> None:
    for headers in ([], [""], [" , "]):
        assert negotiate(acceptable(headers, [], Resource.INSTANCES), [image(ELE)], single_item=True)
        with pytest.raises(NotAcceptable):
            acceptable(headers, [], Resource.INSTANCES, strict=True)


# --- The accept parameter (G-26, G-27, Z-11)


@pytest.mark.parametrize(
    ("parameter", "header", "expected"),
    [
        ("application/dicom", "*/*", S + ELE),
        (f"application/dicom;transfer-syntax={J2K}", "*/*", S + J2K),
        ("application/dicom;transfer-syntax=*", "application/dicom", S + J2K),
        (f"application/dicom;q=0.1,{DICOM}", "*/*", M + ELE),
        ("application/dicom", DICOM, "406"),
        ("text/html", "*/*", M + ELE),
        ("text/html", "application/dicom", S + ELE),
        ("text/html", "text/html", "406"),
        ("", "application/dicom", S + ELE),
    ],
)
def test_the_accept_parameter_comes_first_within_the_header(
    parameter: str, header: str, expected: str
) -> None:
    assert one(Resource.INSTANCES, header, image(J2K), parameters=(parameter,)) == expected


@pytest.mark.parametrize(
    ("parameter", "header", "stored", "expected"),
    [
        ("image/jhc", OCTETS_AS_STORED, ELE, f"multipart image/jphc {RPCL}"),
        ("image/jhc", OCTETS_AS_STORED, HTJ2K, f"multipart image/jphc {RPCL}"),
        ("image/jhc", OCTETS_AS_STORED, RPCL, f"multipart image/jphc {RPCL}"),
        ("image/jhc", "*/*", ELE, f"single image/jphc {RPCL}"),
        (f"image/jhc;transfer-syntax={HTJ2K}", "*/*", ELE, f"single image/jphc {HTJ2K}"),
        ("image/jls", OCTETS_AS_STORED, ELE, f"multipart image/jls {JLS}"),
        ("image/jls", "image/jp2", J2K, "406"),
    ],
)
def test_a_viewer_names_the_type_of_frames_in_the_url_and_their_packaging_in_the_header(
    parameter: str, header: str, stored: str, expected: str
) -> None:
    """V-08: Cornerstone3D's urlArguments, beside the header that it always sends."""
    found = replace(image(stored), encodable=frozenset({RPCL, HTJ2K, JLS}) - {stored})
    assert one(Resource.FRAMES, header, found, parameters=(parameter,)) == expected


@pytest.mark.parametrize(
    "parameter", ["*/*", "application/*", 'multipart/related;type="*/*"', "x", "a/b;q=7", "*"]
)
def test_a_malformed_accept_parameter_is_a_bad_request(parameter: str) -> None:
    with pytest.raises(InvalidRequest):
        accept(Resource.INSTANCES, "*/*", parameters=(parameter,))


# --- Packaging (G-28, G-36, W-60)


def test_single_part_types_are_dropped_where_several_items_could_be() -> None:
    wanted = accept(Resource.INSTANCES, f"application/dicom, {DICOM};q=0.1")
    assert not negotiate(wanted, [image(ELE)], single_item=True).multipart
    assert negotiate(wanted, [image(ELE)], single_item=False).multipart
    with pytest.raises(NotAcceptable) as caught:
        negotiate(accept(Resource.INSTANCES, "application/dicom"), [image(ELE)], single_item=False)
    assert all(line.startswith("multipart/related") for line in caught.value.available)


def test_every_part_is_chosen_for_itself() -> None:
    report = Stored(IMPLICIT, Category.TEXT)
    wanted = accept(Resource.INSTANCES, f"{DICOM}; transfer-syntax={JLS}")
    answer = negotiate(wanted, [image(ELE), image(JLS), report, image(JLS)], single_item=False)
    assert answer.multipart
    assert not answer.complete
    assert answer.root_type == "application/dicom"
    as_stored = Chosen("application/dicom", JLS, True)
    assert answer.parts == (None, as_stored, Chosen("application/dicom", ELE, False), as_stored)
    assert choose(wanted, image(JLS), multipart=True) == as_stored
    assert choose(wanted, image(JLS), multipart=False) is None


def test_codestreams_of_many_frames_never_go_as_one_part() -> None:
    clip = image(J2K, codestreams=3)
    assert one(Resource.BULKDATA, "*/*;transfer-syntax=*", clip) == f"multipart image/jp2 {J2K}"
    assert one(Resource.BULKDATA, "image/jp2", clip) == "406"
    assert one(Resource.BULKDATA, "*/*", clip) == f"single application/octet-stream {ELE}"
    assert (
        one(Resource.BULKDATA, "*/*", image(J2K, decodable=False, codestreams=3))
        == f"multipart image/jp2 {J2K}"
    )


# --- JSON and XML (M-02, M-06, S-13)

XML_PARTS = 'multipart/related; type="application/dicom+xml"'


@pytest.mark.parametrize(
    ("resource", "header", "expected"),
    [
        (Resource.METADATA, XML_PARTS, "multipart application/dicom+xml"),
        (Resource.SEARCH, XML_PARTS, "multipart application/dicom+xml"),
        (Resource.SEARCH, f"{XML_PARTS};q=0.5, application/json", "single application/dicom+json"),
        (Resource.SEARCH, f"{XML_PARTS}, application/json", "multipart application/dicom+xml"),
        (Resource.METADATA, "*/*", "single application/dicom+json"),
        (Resource.METADATA, "application/*", "single application/dicom+json"),
        (Resource.METADATA, "application/dicom+xml", "406"),
        (Resource.METADATA, 'multipart/related; type="application/dicom+json"', "406"),
        (Resource.STORE_RESPONSE, "application/dicom+xml", "single application/dicom+xml"),
        (Resource.STORE_RESPONSE, XML_PARTS, "multipart application/dicom+xml"),
        (Resource.STORE_RESPONSE, "*/*", "single application/dicom+json"),
    ],
)
def test_attributes_go_as_json_unless_xml_is_liked_better(
    resource: Resource, header: str, expected: str
) -> None:
    assert one(resource, header, image(ELE)) == expected
    if expected != "406":
        answer = document(accept(resource, header))
        assert expected == f"{'multipart' if answer.multipart else 'single'} {answer.root_type}"


# --- Encoding what is not stored so (M-10, M-11, M-13, W-15, W-16)

JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
JPEG_LS_LOSSY = "1.2.840.10008.1.2.4.81"
DEFLATED = "1.2.840.10008.1.2.1.99"
UNCOMPRESSED = "1.2.840.10008.1.2.1.98"


@pytest.mark.parametrize(
    ("header", "stored", "expected"),
    [
        # Column D: lossless, and never another one of that type (M-13).
        ("image/jpeg", ELE, f"single image/jpeg {JPEG_LOSSLESS}"),
        ("image/jls", JPEG, f"single image/jls {JLS}"),
        ("image/jp2", ELE, f"single image/jp2 {J2K}"),
        ("image/jphc", ELE, f"single image/jphc {HTJ2K}"),
        ("image/jxl", ELE, "single image/jxl 1.2.840.10008.1.2.4.110"),
        ("image/dicom-rle", ELE, "single image/dicom-rle 1.2.840.10008.1.2.5"),
        ("image/jpx", ELE, "406"),
        # What is stored in a syntax of the type is not touched.
        ("image/jpeg", JPEG, f"single image/jpeg {JPEG}"),
        ("image/jp2", "1.2.840.10008.1.2.4.91", "single image/jp2 1.2.840.10008.1.2.4.91"),
        # Lossy only by name.
        (f"image/jpeg; transfer-syntax={JPEG}", ELE, f"single image/jpeg {JPEG}"),
        (f"image/jls; transfer-syntax={JPEG_LS_LOSSY}", ELE, f"single image/jls {JPEG_LS_LOSSY}"),
        (f"application/octet-stream; transfer-syntax={JLS}", ELE, f"single image/jls {JLS}"),
        ("image/jls; transfer-syntax=*", ELE, f"single image/jls {JLS}"),
        ("image/*", ELE, f"single image/jpeg {JPEG_LOSSLESS}"),
        ("image/*", J2K, f"single image/jp2 {J2K}"),
        # Nothing is encoded where it goes without, save what is liked better.
        ("image/jls, application/octet-stream", ELE, f"single application/octet-stream {ELE}"),
        ("image/jls, image/jp2", J2K, f"single image/jp2 {J2K}"),
        ("image/jls, image/jphc", J2K, f"single image/jls {JLS}"),
        ("image/jls, application/octet-stream;q=0.9", ELE, f"single image/jls {JLS}"),
        ("*/*", ELE, f"multipart application/octet-stream {ELE}"),
        ("*/*; transfer-syntax=*", J2K, f"multipart image/jp2 {J2K}"),
        (f"*/*; transfer-syntax={HTJ2K}", J2K, f"multipart image/jphc {HTJ2K}"),
        ("image/jls;q=0, image/*", JLS, f"single image/jpeg {JPEG_LOSSLESS}"),
    ],
)
def test_frames_are_encoded_when_that_is_asked_for(header: str, stored: str, expected: str) -> None:
    assert one(Resource.FRAMES, header, encodable(stored)) == expected


@pytest.mark.parametrize(
    ("syntax", "expected"),
    [
        (JLS, S + JLS),
        (JPEG, S + JPEG),
        (DEFLATED, S + DEFLATED),
        (UNCOMPRESSED, S + UNCOMPRESSED),
        (MP4, "406"),
    ],
)
def test_instances_are_encoded_in_the_syntax_that_is_named(syntax: str, expected: str) -> None:
    assert one(Resource.INSTANCES, f"{SINGLE}; transfer-syntax={syntax}", encodable(ELE)) == expected
    assert one(Resource.INSTANCES, f"{SINGLE}; transfer-syntax={syntax}", image(ELE)) == "406"


def test_an_instance_is_encoded_only_by_name() -> None:
    for header in (SINGLE, "*/*", f"{SINGLE}; transfer-syntax=*", "application/*"):
        assert one(Resource.INSTANCES, header, encodable(ELE)).endswith(ELE)
    assert one(Resource.INSTANCES, f"{SINGLE}; transfer-syntax={JLS}, {SINGLE}", encodable(ELE)) == S + ELE
    assert (
        one(Resource.INSTANCES, f"{SINGLE}; transfer-syntax={JLS}, {SINGLE};q=0.5", encodable(ELE)) == S + JLS
    )


def test_encoded_frames_of_one_value_are_several_parts() -> None:
    clip = encodable(ELE, frames=3)
    assert one(Resource.PIXELDATA, "image/jls", clip) == "406"
    assert one(Resource.BULKDATA, 'multipart/related; type="image/jls"', clip) == f"multipart image/jls {JLS}"
    assert one(Resource.BULKDATA, "image/jls", encodable(ELE)) == f"single image/jls {JLS}"
    assert one(Resource.FRAMES, "image/jls", clip) == f"single image/jls {JLS}"


def test_pixels_too_long_to_be_native_go_as_stored_or_encoded() -> None:
    """G-33."""
    vast = encodable(J2K, frames=5000, codestreams=5000, fits=False)
    assert one(Resource.INSTANCES, SINGLE, vast) == S + J2K
    assert one(Resource.INSTANCES, f"{SINGLE}; transfer-syntax={UNCOMPRESSED}", vast) == S + UNCOMPRESSED
    assert one(Resource.INSTANCES, f"{SINGLE}; transfer-syntax={ELE}", vast) == "406"
    assert one(Resource.BULKDATA, OCTETS, vast) == f"multipart image/jp2 {J2K}"
    assert one(Resource.FRAMES, OCTETS, vast) == f"multipart application/octet-stream {ELE}"


def test_a_refusal_lists_what_can_be_encoded() -> None:
    """G-37."""
    with pytest.raises(NotAcceptable) as caught:
        negotiate(accept(Resource.FRAMES, "image/jpx"), [encodable(ELE)], single_item=True)
    assert f"image/jls; transfer-syntax={JLS}" in caught.value.available
    assert f'multipart/related; type="image/jpeg"; transfer-syntax={JPEG}' in caught.value.available


# --- Labels and the meaning of as_stored


@pytest.mark.parametrize(
    ("uid", "as_stored"),
    [(ELE, True), (IMPLICIT, True), (BIG, False), ("1.2.840.10008.1.2.1.98", True), (J2K, False)],
)
def test_native_frames_go_as_they_lie_unless_bytes_must_change(uid: str, as_stored: bool) -> None:
    chosen = choose(accept(Resource.FRAMES, OCTETS), image(uid), multipart=True)
    assert chosen == Chosen("application/octet-stream", ELE, as_stored)
    assert chosen.content_type == f"application/octet-stream; transfer-syntax={ELE}"


@pytest.mark.parametrize(("uid", "as_stored"), [(ELE, True), (IMPLICIT, False), (BIG, False), (J2K, False)])
def test_an_instance_is_re_encoded_unless_it_is_explicit_little_endian(uid: str, as_stored: bool) -> None:
    chosen = choose(accept(Resource.INSTANCES, DICOM), image(uid), multipart=True)
    assert chosen == Chosen("application/dicom", ELE, as_stored)


def test_lossy_video_that_cannot_be_decoded_stands_in_for_the_uncompressed() -> None:
    assert one(Resource.INSTANCES, DICOM, image(MP4, decodable=False)).endswith(MP4)
    assert one(Resource.FRAMES, "*/*", image(MP4, decodable=False)) == "406"


@pytest.mark.parametrize(
    "document_type",
    [
        "text/html", "image/svg+xml", "application/pdf\r\nSet-Cookie: x", "*/*", "multipart/mixed", "pdf",
        "application/mathml+xml", "model/x3d+XML", "application/xml", "text/xsl", "text/javascript",
        "application/ecmascript", "application/rdf+xml", "text/css", "application/pdfx", "image/*",
        "application/dicom+xml", "application/x-shockwave-flash", "message/rfc822", "image/SVG",
    ],
)  # fmt: skip
def test_a_document_type_that_is_unsafe_or_malformed_is_not_repeated(document_type: str) -> None:
    assert one(Resource.BULKDATA, "*/*", Stored.value(document_type)) == "single application/octet-stream"


@pytest.mark.parametrize(
    "document_type",
    ["application/pdf", "text/XML", "text/plain", "image/jpeg", "video/mp4", "model/obj"],
)
def test_what_no_browser_runs_goes_under_its_own_type(document_type: str) -> None:
    assert one(Resource.BULKDATA, "*/*", Stored.value(document_type)) == f"single {document_type.lower()}"


def test_a_document_goes_under_its_own_type() -> None:
    assert one(Resource.BULKDATA, "*/*", Stored.value("Model/STL")) == "single model/stl"
    assert one(Resource.BULKDATA, "application/octet-stream", Stored.value("model/stl")).endswith(
        "octet-stream"
    )


def test_a_refusal_says_what_is_available() -> None:
    with pytest.raises(NotAcceptable) as caught:
        negotiate(accept(Resource.FRAMES, "image/jls"), [image(J2K)], single_item=True)
    assert caught.value.available == (
        f'multipart/related; type="application/octet-stream"; transfer-syntax={ELE}',
        f"application/octet-stream; transfer-syntax={ELE}",
        f'multipart/related; type="image/jp2"; transfer-syntax={J2K}',
        f"image/jp2; transfer-syntax={J2K}",
    )
    for resource in Resource:
        assert available(resource)
    assert f"{DICOM}; transfer-syntax=*" in available(Resource.INSTANCES)
    assert available(Resource.SEARCH) == [
        "application/dicom+json",
        'multipart/related; type="application/dicom+xml"',
    ]
    assert "application/dicom+xml" in available(Resource.STORE_RESPONSE)


stored_items = st.builds(
    Stored,
    st.sampled_from([*TRANSFER_SYNTAXES, "", "1.2.3"]),
    st.sampled_from(Category),
    st.booleans(),
    st.integers(1, 3),
    st.sampled_from(["", "application/pdf", "x"]),
    st.integers(0, 3),
    st.booleans(),
    st.frozensets(st.sampled_from(sorted(ALL_ENCODABLE)), max_size=4),
).map(lambda stored: replace(stored, encodable=stored.encodable - {stored.transfer_syntax_uid}))


@given(
    stored=stored_items, resource=st.sampled_from([Resource.INSTANCES, Resource.FRAMES, Resource.BULKDATA])
)
def test_whatever_is_offered_can_be_asked_for_and_is_then_given(stored: Stored, resource: Resource) -> None:
    for line in available(resource, [stored]):
        answer = negotiate(accept(resource, line), [stored], single_item=True)
        (chosen,) = answer.parts
        assert chosen is not None
        label = media_ranges([line])[0]
        assert (label.media_type, label.transfer_syntax) == (
            chosen.media_type.lower(),
            chosen.transfer_syntax_uid,
        )
        assert answer.multipart is line.startswith("multipart")


@pytest.mark.parametrize("uid", [*TRANSFER_SYNTAXES, "1.2.3"])
@pytest.mark.parametrize("decodable", [True, False])
def test_as_stored_gives_every_syntax_back_but_those_never_sent(uid: str, decodable: bool) -> None:
    wanted = accept(Resource.INSTANCES, f"{DICOM}; transfer-syntax=*")
    chosen = choose(wanted, image(uid, decodable=decodable), multipart=True)
    syntax = TRANSFER_SYNTAXES.get(uid)
    if syntax is None or (syntax.explicit and syntax.little):
        assert chosen == Chosen("application/dicom", uid, True)
    else:
        assert chosen == Chosen("application/dicom", ELE, False)


CODESTREAMS = [
    syntax
    for syntax in TRANSFER_SYNTAXES.values()
    if syntax.encapsulated and not syntax.video and syntax.media_type != "application/octet-stream"
]


@pytest.mark.parametrize("syntax", CODESTREAMS, ids=lambda syntax: syntax.uid)
@pytest.mark.parametrize("form", ["{}", 'multipart/related; type="{}"', "{}; transfer-syntax=*"])
def test_a_stored_codestream_is_untouched_when_its_type_is_asked_for(
    syntax: TransferSyntax, form: str
) -> None:
    wanted = accept(Resource.FRAMES, form.format(syntax.media_type))
    answer = negotiate(wanted, [image(syntax.uid)], single_item=True)
    assert answer.parts == (Chosen(syntax.media_type, syntax.uid, True),)


@given(
    stored=stored_items,
    resource=st.sampled_from(Resource),
    header=st.sampled_from([DICOM, OCTETS, "*/*", "*/*;transfer-syntax=*"]),
)
def test_implicit_and_big_endian_are_never_sent(stored: Stored, resource: Resource, header: str) -> None:
    try:
        answer = negotiate(accept(resource, header), [stored], single_item=True)
    except NotAcceptable:
        return
    for chosen in answer.parts:
        assert chosen is not None
        assert chosen.transfer_syntax_uid not in (IMPLICIT, BIG)


WORDS = (
    '*/* * type/* multipart/related multipart/* application/dicom image/jpeg type type= type=*/* ; , = " \\ /'
)
PIECES = f"q q= q=. q=1. 0.5 transfer-syntax {ELE} \0 é"
fragments = st.sampled_from([*WORDS.split(" "), *PIECES.split(" "), " "])
header_texts = st.one_of(st.lists(fragments, max_size=20).map("".join), st.text(max_size=60))


@settings(max_examples=1000)
@given(
    headers=st.lists(header_texts, max_size=3),
    parameters=st.lists(header_texts, max_size=2),
    resource=st.sampled_from(Resource),
    items=st.lists(stored_items, min_size=1, max_size=3),
    strict=st.booleans(),
)
@example(headers=['*/*;a="\\'], parameters=[], resource=Resource.FRAMES, items=[image(ELE)], strict=False)
def test_any_header_is_answered(
    headers: list[str], parameters: list[str], resource: Resource, items: list[Stored], strict: bool
) -> None:
    with contextlib.suppress(InvalidRequest, NotAcceptable):
        wanted = acceptable(headers, parameters, resource, strict=strict)
        negotiate(wanted, items, single_item=len(items) == 1)


def test_a_header_of_any_size_costs_little() -> None:
    header = ",".join([f"{OCTETS};transfer-syntax={JLS};q=0.5"] * 2000)
    wanted = accept(Resource.FRAMES, header)
    assert len(wanted.ranges) <= 100


@pytest.mark.parametrize(
    ("sop_class_uid", "uid", "frames", "category"),
    [
        ("1.2.840.10008.5.1.4.1.1.2", ELE, 1, Category.SINGLE_FRAME),
        ("1.2.840.10008.5.1.4.1.1.3.1", J2K, 30, Category.MULTI_FRAME),
        ("1.2.840.10008.5.1.4.1.1.77.1.4.1", MP4, 0, Category.VIDEO),
        ("1.2.840.10008.5.1.4.1.1.88.33", ELE, None, Category.TEXT),
        ("1.2.840.10008.5.1.4.1.1.104.1", ELE, None, Category.TEXT),
        ("1.2.840.10008.5.1.4.1.1.481.3", ELE, None, Category.OTHER),
    ],
)
def test_the_category_follows_from_class_and_pixels(
    sop_class_uid: str, uid: str, frames: int | None, category: Category
) -> None:
    assert category_of(sop_class_uid, uid, frames) is category
