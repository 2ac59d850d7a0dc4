"""The Native DICOM Model in XML: metadata, search results, store answers (PS3.19 A.1, PS3.18 F.3.1)."""

from __future__ import annotations

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks.library import library
from conformance.suite.checks.metadata import whole_zoo
from conformance.suite.multipart import BOUNDARY, parse_media_type, read_related, write_related
from conformance.suite.objects import make
from conformance.suite.session import JSON, Session
from conformance.suite.xml_model import of_json, of_xml, parse, violations

XML = "application/dicom+xml"
XML_PARTS = f'multipart/related; type="{XML}"'


@shows("M-02", "W-25", "X-01", "X-02", "X-03", "X-04")
def metadata_keep_to_the_xml_model(session: Session) -> str:
    instance, _ = whole_zoo(session)
    alpha = library(session).alpha
    count = 0
    for path, wanted in ((instance.path, 1), (alpha[0].series_path, 2), (alpha[0].study_path, 3)):
        parts = session.parts(path + "/metadata", XML_PARTS)
        expect_equal(len(parts), wanted, "documents")
        for part in parts:
            expect_equal(part.content_type[0], XML, "Content-Type of the part")
            found = violations(parse(part.content))
            expect(not found, "; ".join(found[:6]))
            count += 1
    return f"{count} documents"


@shows("W-25", "X-05")
def xml_and_json_say_the_same(session: Session) -> str:
    instance, _ = whole_zoo(session)
    made = library(session)
    count = 0
    for one in (instance, made.alpha[0], made.gamma, made.delta):
        (part,) = session.parts(one.path + "/metadata", XML_PARTS)
        in_xml, in_json = of_xml(parse(part.content)), of_json(session.metadata(one.path)[0])
        expect_equal(sorted(in_xml), sorted(in_json), "attributes")
        for name, value in in_json.items():
            expect_equal(in_xml[name], value, name)
            count += 1
    return f"{count} attributes"


@shows("M-06", "Q-50", "X-01")
def search_results_as_xml(session: Session) -> str:
    library(session)
    count = 0
    for path in ("/studies", "/series", "/instances"):
        query = f"AccessionNumber={session.token}"
        parts = session.parts(path, XML_PARTS, query=query)
        results = session.search(path, query)
        expect_equal([of_xml(parse(part.content)) for part in parts], list(map(of_json, results)), path)
        count += len(parts)
    none = session.get("/studies", query=f"StudyInstanceUID={session.new_uid()}", accept=XML_PARTS)
    expect_equal((none.status_code, none.content), (204, b""), "a search without results")
    return f"{count} results, 204 without any"


@shows("S-13", "X-01")
def the_store_answer_as_xml(session: Session) -> str:
    instance = make(session)
    session.studies.add(instance.study)
    body = write_related([({"Content-Type": "application/dicom"}, instance.data)])
    content_type = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    for accept in (XML, XML_PARTS):
        response = session.send(
            "POST", "/studies", accept=accept, headers={"Content-Type": content_type}, content=body
        )
        expect_equal(response.status_code, 200, accept)
        given = response.headers["content-type"]
        document = response.content
        if parse_media_type(given)[0] == "multipart/related":
            (part,) = read_related(given, document)
            given, document = part.headers["content-type"], part.content
        expect_equal(parse_media_type(given)[0], XML, "media type")
        root = parse(document)
        found = violations(root)
        expect(not found, "; ".join(found[:6]))
        expect(instance.sop in document.decode(), "the stored instance is not named")
    return "application/dicom+xml, alone and in multipart/related"


@shows("X-06", bad_input=True)
def entities_in_xml_are_refused(session: Session) -> str:
    secret = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
    laughs = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    deep = '<DicomAttribute tag="00081140" vr="SQ"><Item number="1">' * 5000
    for start, value in ((secret, "&e;"), (laughs, "&b;"), ("", deep), ("", "&undefined;")):
        inner = f'<DicomAttribute tag="00100020" vr="LO"><Value number="1">{value}</Value></DicomAttribute>'
        document = f"{start}<NativeDicomModel>{inner}</NativeDicomModel>".encode()
        body = write_related([({"Content-Type": XML}, document)])
        answer = session.store_body(
            body, f'multipart/related; type="{XML}"; boundary={BOUNDARY}', accept=JSON
        )
        expect(
            400 <= answer.status < 500, f"a document with {start[:12] or value[:12]} answered {answer.status}"
        )
    return "external and internal entities, 5,000 levels, an undefined entity: 4xx"


@shows("W-26")
def metadata_of_chosen_attributes(session: Session) -> str:
    instance, zoo = whole_zoo(session)
    path = instance.path + "/metadata"
    response = session.get(path, query="includefield=PatientName,00181063,ProcedureCodeSequence.CodeValue")
    expect_equal(response.status_code, 200, "status")
    (one,) = response.json()
    expect("00100010" in one and "00081032" in one, "an attribute that was asked for is left out")
    expect("00080008" not in one, "includefield leaves everything in")
    expect_equal(list(one["00081032"]["Value"][0]), ["00080100"], "attributes of an item")
    (rest,) = session.get(path, query="excludefield=PatientName").json()
    expect_equal(sorted(zoo.keys() - rest.keys()), ["00100010"], "attributes left out by excludefield")
    return "includefield with a path, excludefield"
