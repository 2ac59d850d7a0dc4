"""Reports and documents as rendered resources, and their character sets (PS3.18 8.7.4, 8.8)."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from conformance.suite import drawn
from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.rendered_types import BROWSER, rendered
from conformance.suite.checks.rendered_values import stored
from conformance.suite.objects import (
    BASIC_TEXT_SR,
    PDF,
    Instance,
    make,
)
from conformance.suite.part10 import attributes
from conformance.suite.session import Session

CDA = b'<?xml version="1.0" encoding="UTF-8"?>\n<ClinicalDocument xmlns="urn:hl7-org:v3"/>'
SAFE_TITLE = "<script>alert(1)</script>&\"'"


def _cda(session: Session) -> Instance:
    return session.once("a CDA document", lambda run: stored(run, drawn.cda(run, CDA)))


@shows("R-13", "M-12", "G-46")
def reports_as_html_and_text(session: Session) -> str:
    code = attributes(CodeValue="121070", CodingSchemeDesignator="DCM", CodeMeaning="Findings")
    text = attributes(
        RelationshipType="CONTAINS",
        ValueType="TEXT",
        ConceptNameCodeSequence=[code],
        TextValue="Größe 3 mm, " + SAFE_TITLE,
    )
    extra = attributes(
        SpecificCharacterSet="ISO_IR 100",
        Modality="SR",
        ValueType="CONTAINER",
        ContinuityOfContent="SEPARATE",
        ConceptNameCodeSequence=[code],
        ContentSequence=[text],
    )
    instance = make(session, sop_class=BASIC_TEXT_SR, extra=extra, form=drawn.LATIN)
    path = stored(session, instance).path
    for accept in ("text/html", "*/*", BROWSER):
        response = rendered(session, path, accept)
        kind = response.headers.get("content-type", "").lower().replace('"', "")
        expect(re.fullmatch(r"text/html;\s*charset=utf-8", kind), f"Content-Type {kind}")
        html = response.content.decode("utf-8")
        expect("Größe 3 mm" in html and "Findings" in html, "the text is not in the HTML")
        expect("<script>alert" not in html, "text of the report is markup in the HTML")
    plain = rendered(session, path, "text/plain")
    expect(plain.headers["content-type"].startswith("text/plain"), plain.headers["content-type"])
    expect("Größe 3 mm" in plain.content.decode("utf-8"), "the text is not in text/plain")
    return "text/html (default, escaped, UTF-8), text/plain"


@shows("G-47", "G-50", "G-46")
def the_character_set_of_text_is_chosen(session: Session) -> str:
    made = make(
        session,
        sop_class=BASIC_TEXT_SR,
        form=drawn.LATIN,
        extra=attributes(
            SpecificCharacterSet="ISO_IR 100",
            Modality="SR",
            ValueType="CONTAINER",
            ContentSequence=[attributes(ValueType="TEXT", TextValue="Größe")],
        ),
    )
    path = stored(session, made).path
    cases = {
        ("text/plain; charset=ISO-8859-1", "", ""): "latin-1",
        ("text/plain", "charset=ISO-8859-1", ""): "latin-1",
        ("text/plain", "", "ISO-8859-1, utf-8;q=0.5"): "latin-1",
        ("text/plain; charset=utf-8", "charset=ISO-8859-1", "ISO-8859-1"): "utf-8",
        ("text/plain", "charset=nonsense", ""): "utf-8",
        ("text/plain", "", ""): "utf-8",
    }
    for (accept, query, header), wanted in cases.items():
        headers = {"Accept-Charset": header} if header else {}
        response = session.get(path + "/rendered", query=query, accept=accept, headers=headers)
        what = f"{accept} ?{query} Accept-Charset: {header}"
        expect_equal(response.status_code, 200, what)
        expect("Größe".encode(wanted) in response.content, f"{what}: not in {wanted}")
        named = response.headers["content-type"].lower().replace('"', "")
        expect(
            named.endswith("charset=iso-8859-1" if wanted == "latin-1" else "charset=utf-8"),
            f"{what}: {named}",
        )
    return "media type parameter, query parameter, Accept-Charset, UTF-8; unknown names ignored"


@shows("G-48")
def text_that_a_character_set_lacks_is_406(session: Session) -> str:
    made = make(
        session,
        sop_class=BASIC_TEXT_SR,
        form=drawn.UTF8,
        extra=attributes(
            SpecificCharacterSet="ISO_IR 192",
            Modality="SR",
            ValueType="CONTAINER",
            ContentSequence=[attributes(ValueType="TEXT", TextValue="頭部")],
        ),
    )
    target = stored(session, made).path + "/rendered"
    plain = session.get(target, accept="text/plain; charset=ISO-8859-1")
    expect_equal(plain.status_code, 406, "Japanese text as text/plain in ISO-8859-1")
    html = session.get(target, accept="text/html; charset=ISO-8859-1")
    whole = html.status_code == 406 or "&#38957;&#37096;" in html.text
    expect(whole, f"{html.status_code}: text/html has lost the text")
    return "text/plain 406; text/html keeps it by character references"


@shows("R-13", "W-41", "I-10")
def documents_as_they_are(session: Session) -> str:
    for accept in ("application/pdf", "*/*"):
        response = rendered(session, pictures.document(session).path, accept)
        expect_equal(response.headers.get("content-type"), "application/pdf", "Content-Type")
        expect(response.content == PDF, f"{len(response.content)} bytes, the document has {len(PDF)}")
    response = rendered(session, _cda(session).path, "text/xml")
    expect(response.headers["content-type"].startswith("text/xml"), response.headers["content-type"])
    expect_equal(ElementTree.fromstring(response.content).tag, "{urn:hl7-org:v3}ClinicalDocument", "root")
    return "PDF without its padding byte, CDA as text/xml"
