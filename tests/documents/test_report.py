from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicomweb.documents.html import written
from dicomweb.documents.jobs import report_job
from dicomweb.documents.page import Entry, Page
from dicomweb.errors import DecodeFailed
from tests.documents.objects import code, content, lines, report

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


def html(metadata: bytes, **parameters: str) -> str:
    return report_job({"media_type": "text/html", **parameters}, [metadata]).decode()


def text(metadata: bytes, **parameters: str) -> list[str]:
    return list(lines(report_job({"media_type": "text/plain", **parameters}, [metadata])))


def measured(value: str, unit: str, scheme: str = "UCUM") -> Dataset:
    item = Dataset()
    item.NumericValue = value
    item.MeasurementUnitsCodeSequence = [code(unit, scheme, f"named {unit}")]
    return item


def reference(uid: str, sop_class_uid: str = CT_IMAGE) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, uid
    return item


def evidence(study: str, series: str, *uids: str) -> Dataset:
    inner, outer = Dataset(), Dataset()
    inner.SeriesInstanceUID, inner.ReferencedSOPSequence = series, [reference(uid) for uid in uids]
    outer.StudyInstanceUID, outer.ReferencedSeriesSequence = study, [inner]
    return outer


def test_every_kind_of_value_is_written() -> None:
    coordinates = content("SCOORD", "Outline", GraphicType="POLYLINE", GraphicData=[1.5, 2.0, 3.0, 4.0])
    written = text(
        report(
            content(
                "CONTAINER",
                "Findings",
                content("TEXT", "Impression", TextValue="No fracture.\nNo effusion."),
                content("NUM", "Length", MeasuredValueSequence=[measured("12.50", "mm")]),
                content("NUM", "Volume", MeasuredValueSequence=[measured("3", "mm3")]),
                content("NUM", "Score", MeasuredValueSequence=[measured("4", "1")]),
                content("NUM", "Old unit", MeasuredValueSequence=[measured("4", "M", "99X")]),
                content("CODE", "Finding", ConceptCodeSequence=[code("M-1", "SRT", "Mass")]),
                content("DATE", "On", Date="20260102"),
                content("TIME", "At", Time="030405.5"),
                content("DATETIME", "When", DateTime="20260102030405+0100"),
                content("PNAME", "Reader", PersonName="Doe^Jane^^Dr.^MD"),
                content("UIDREF", "Device", UID="1.2.3"),
                coordinates,
                content("TCOORD", "Beat", TemporalRangeType="SEGMENT", ReferencedTimeOffsets=["1.5", "2.5"]),
            )
        )
    )
    for expected in (
        "Diagnostic Imaging Report",
        "Findings",
        "Impression:",
        "No fracture.",
        "No effusion.",
        "Length: 12.50 mm",
        "Volume: 3 mm³",
        "Score: 4",
        "Old unit: 4 named M",
        "Finding: Mass (M-1, SRT)",
        "On: 2026-01-02",
        "At: 03:04:05",
        "When: 2026-01-02 03:04:05 +01:00",
        "Reader: Doe, Jane, Dr., MD",
        "Device: 1.2.3",
        "Outline: Polyline, 2 points (1.5, 2; 3, 4)",
        "Beat: Segment 1.5 s, 2.5 s",
    ):
        assert expected in written


def test_text_of_a_report_cannot_become_markup() -> None:
    hostile = "</dd><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
    page = html(
        report(
            content("TEXT", hostile, TextValue=hostile),
            content("CODE", "x", ConceptCodeSequence=[code(hostile[:16], "<b>", hostile)]),
            PatientName=hostile,
            ConceptNameCodeSequence=[code("1", "2", hostile)],
        )
    )
    tags = re.findall(r"<([a-zA-Z]+)", page)
    assert not {"script", "img"} & set(tags)
    assert page.count("&lt;script&gt;") >= 4


@given(value=st.text(max_size=60))
def test_whatever_the_text_holds_the_page_keeps_its_form(value: str) -> None:
    page = Page(value, [value], [], [Entry(value, value, value, link=value, anchor=value, language=value)])
    parser = _Tags()
    parser.feed(written(page).decode())
    assert parser.tags == _Tags.expected


class _Tags(HTMLParser):
    expected: ClassVar = "html head meta meta meta title style body h1 p main dl dt dd".split()  # noqa: SIM905

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("a", "span", "small"):
            self.tags.append(tag)


def test_what_is_referred_to_is_linked_where_its_series_is_known() -> None:
    image = content("IMAGE", "Source", ReferencedSOPSequence=[reference("1.2.3")])
    lost = content("IMAGE", "Source", ReferencedSOPSequence=[reference("1.2.9")])
    metadata = report(
        image, lost, CurrentRequestedProcedureEvidenceSequence=[evidence("1.7", "1.8", "1.2.3")]
    )
    place = "studies/1.7/series/1.8/instances/1.2.3/rendered"
    assert re.findall('href="(.*?)"', html(metadata)) == [f"../../../../../../{place}"]
    assert f'href="https://pacs.example/dicomweb/{place}"' in html(
        metadata, base="https://pacs.example/dicomweb/"
    )


def test_a_reference_to_one_frame_links_to_it() -> None:
    frame = reference("1.2.3")
    frame.ReferencedFrameNumber = 7
    metadata = report(
        content("IMAGE", ReferencedSOPSequence=[frame]),
        CurrentRequestedProcedureEvidenceSequence=[evidence("1.7", "1.8", "1.2.3")],
    )
    assert "instances/1.2.3/frames/7/rendered" in html(metadata)
    assert "Image: CT Image, frame 7 1.2.3" in text(metadata)


def test_a_uid_that_is_none_makes_no_link() -> None:
    metadata = report(
        content("IMAGE", ReferencedSOPSequence=[reference("1.2.3")]),
        CurrentRequestedProcedureEvidenceSequence=[evidence("1.7", "1.8", "1.2.3")],
    )
    assert "href=" in html(metadata)
    assert "href=" not in html(metadata.replace(b"1.2.3", b"../.."))


def test_an_item_elsewhere_in_the_tree_is_pointed_to() -> None:
    pointer = Dataset()
    pointer.RelationshipType, pointer.ReferencedContentItemIdentifier = "INFERRED FROM", [1, 1]
    page = html(
        report(content("TEXT", "Finding", TextValue="x"), content("TEXT", "So", pointer, TextValue="y"))
    )
    assert 'id="item-1.1"' in page
    assert 'href="#item-1.1"' in page


def test_language_is_that_of_the_document() -> None:
    language = content(
        "CODE",
        relationship="HAS CONCEPT MOD",
        ConceptNameCodeSequence=[code("121049", "DCM", "Language")],
        ConceptCodeSequence=[code("de-CH", "RFC5646", "Deutsch")],
    )
    assert '<html lang="de-CH">' in html(report(language))


def test_a_draft_says_so() -> None:
    page = html(report(CompletionFlag="PARTIAL", VerificationFlag="UNVERIFIED"))
    assert page.count('class="notice"') == 2


def test_who_verified_is_in_the_head() -> None:
    observer = Dataset()
    observer.VerifyingObserverName = "Doe^Jane"
    observer.VerifyingOrganization, observer.VerificationDateTime = "Clinic", "20260102"
    assert "Verified by: Doe, Jane Clinic 2026-01-02" in text(report(VerifyingObserverSequence=[observer]))


def test_text_too_long_for_the_metadata_comes_as_bulk_value() -> None:
    metadata = report(content("TEXT", "Long", TextValue="word " * 5000))
    path = "0040A730/0/0040A160"
    assert f'"BulkDataURI":"{path}"'.encode() in metadata
    shown = report_job({"media_type": "text/plain", "bulk": [path]}, [metadata, "Länge".encode("latin-1")])
    assert "Long: Länge" in shown.decode()


def test_a_character_set_that_lacks_a_letter_gets_a_reference() -> None:
    metadata = report(content("TEXT", "x", TextValue="Ł"), SpecificCharacterSet="ISO_IR 192")
    page = report_job({"media_type": "text/html", "charset": "iso-8859-1"}, [metadata])
    assert b"&#321;" in page
    assert b'charset="iso-8859-1"' in page


def test_plain_text_is_never_changed_to_fit_a_character_set() -> None:
    metadata = report(content("TEXT", "x", TextValue="Ł"), SpecificCharacterSet="ISO_IR 192")
    with pytest.raises(DecodeFailed, match="character set"):
        report_job({"media_type": "text/plain", "charset": "iso-8859-1"}, [metadata])
    assert "x: Ł" in report_job({"media_type": "text/plain", "charset": "iso-8859-2"}, [metadata]).decode(
        "iso-8859-2"
    )


def test_units_are_written_in_every_character_set() -> None:
    metadata = report(content("NUM", "Area", MeasuredValueSequence=[measured("3", "mm2")]))
    shown = report_job({"media_type": "text/plain", "charset": "us-ascii"}, [metadata])
    assert b"Area: 3 mm2" in shown


def test_deep_and_wide_trees_are_cut_off_with_a_word() -> None:
    container = b'{"0040A040":{"vr":"CS","Value":["CONTAINER"]},"0040A730":{"vr":"SQ","Value":['
    deep = container * 80 + b"]}}" * 80
    wide = container + b",".join([b'{"0040A040":{"vr":"CS","Value":["TEXT"]}}'] * 30_000) + b"]}}"
    for tree in (deep, wide):
        assert "Further content is not shown here" in html(tree)


@pytest.mark.parametrize("metadata", [b"", b"[]", b"{", b"[" * 100_000])
def test_metadata_that_is_none_is_refused(metadata: bytes) -> None:
    with pytest.raises(DecodeFailed):
        report_job({"media_type": "text/html"}, [metadata])


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Value", "vr"]), inner),
    max_leaves=8,
)
_TAGS = st.sampled_from(["0040A730", "0040A040", "0040A160", "0040A300", "0040A043", "00081199", "00700022"])


@given(attributes=st.dictionaries(_TAGS, _JSON, max_size=6))
def test_attributes_of_any_wrong_kind_are_survived(attributes: dict[str, object]) -> None:
    inner = {"0040A730": {"vr": "SQ", "Value": [attributes]}}
    for media_type in ("text/html", "text/plain"):
        assert report_job({"media_type": media_type}, [json.dumps(inner).encode()])
        assert report_job({"media_type": media_type}, [json.dumps(attributes).encode()])
