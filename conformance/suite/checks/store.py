"""What a store request stores and what it refuses (PS3.18 10.5, PS3.4 B.2)."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.multipart import BOUNDARY, write_related
from conformance.suite.objects import Form, Instance, finish, make, report
from conformance.suite.part10 import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, Element, attributes
from conformance.suite.reader import read_file
from conformance.suite.session import JSON, STORED, Session, StoreAnswer, first

UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
NOT_THERE = "1.2.840.10008.1.2.4.777"


def _count(session: Session, instance: Instance) -> int:
    return len(session.search("/instances", f"SOPInstanceUID={instance.sop}"))


def _kept(session: Session, instance: Instance) -> bytes:
    """The data set as the archive gives it back."""
    parts = session.parts(instance.path, STORED)
    return read_file(parts[0].content).dataset


@shows("S-01", "S-02", "S-40", "M-07")
def several_parts_are_stored(session: Session) -> str:
    instances = [make(session), make(session), report(session)]
    answer = session.store(*instances)
    expect_equal(answer.status, 200, "status")
    expect_equal(sorted(answer.stored), sorted(one.sop for one in instances), "ReferencedSOPSequence")
    for instance in instances:
        expect_equal(_count(session, instance), 1, "instances found afterwards")
    return "3 parts of 3 studies: 200"


@shows("S-01")
def store_to_one_study(session: Session) -> str:
    instance = make(session)
    answer = session.store(instance, study=instance.study)
    expect_equal(answer.status, 200, "status")
    expect_equal(_count(session, instance), 1, "instances found afterwards")
    return "POST /studies/{study}: 200"


@shows("S-03", "V-15")
def a_single_part_body_is_stored(session: Session) -> str:
    for target in ("", "study"):
        instance = make(session)
        session.studies.add(instance.study)
        study = instance.study if target else ""
        answer = session.store_body(instance.data, "application/dicom", study)
        expect_equal(answer.status, 200, f"status with {target or 'no study'} in the path")
        expect_equal(answer.stored, [instance.sop], "ReferencedSOPSequence")
    return "application/dicom body: 200"


@shows("S-15", "S-40", "S-43")
def a_bad_part_never_spoils_the_others(session: Session) -> str:
    one, two = make(session), make(session)
    session.studies.update((one.study, two.study))
    bad = [b"this is no DICOM at all" * 40, b"", one.data[:200]]
    answer = session.store_parts([bad[0], one.data, bad[1], bad[2], two.data])
    expect_equal(answer.status, 202, "status")
    expect_equal(sorted(answer.stored), sorted((one.sop, two.sop)), "stored")
    failures = len(answer.items("00081198")) + len(answer.items("0008119A"))
    expect(failures >= 2, f"{failures} of 3 bad parts are listed")
    expect_equal(_count(session, two), 1, "instances found afterwards")
    return f"202, 2 stored, {failures} failures listed"


@shows("S-20", "S-40")
def a_part_of_another_study_fails(session: Session) -> str:
    right, wrong = make(session), make(session)
    answer = session.store(right, wrong, study=right.study)
    expect_equal(answer.status, 202, "status")
    expect_equal(answer.stored, [right.sop], "stored")
    reason = answer.failed.get(wrong.sop, 0)
    expect(reason >> 8 == 0xA9, f"FailureReason {reason:#06x}, wanted 0xA9xx")
    expect_equal(_count(session, wrong), 0, "the refused instance is found")
    answer = session.store(wrong, study=right.study)
    expect_equal(answer.status, 409, "status when all fail")
    return f"202 with {reason:#06x}, 409 when it is the only one"


@shows("S-21")
def missing_uids_fail_that_instance(session: Session) -> str:
    reasons = set()
    for keyword in UIDS:
        instance = make(session, without=[keyword])
        session.studies.discard("")
        answer = session.store_parts([instance.data])
        expect_equal(answer.status, 409, f"status without {keyword}")
        items = answer.items("00081198") + answer.items("0008119A")
        expect_equal(len(items), 1, f"failures listed without {keyword}")
        reason = first(items[0], "00081197", 0)
        expect(reason >> 8 == 0xA9 or reason >> 12 == 0xC, f"without {keyword}: {reason:#06x}")
        reasons.add(f"{reason:#06x}")
    return f"409 with {', '.join(sorted(reasons))}"


@shows("S-22")
def failure_reasons_tell_what_is_wrong(session: Session) -> str:
    whole = make(session, ImageComments="x" * 5000)
    cut = session.store_parts([whole.data[:-700]])
    expect_equal(cut.status, 409, "status of a cut-off part")
    reasons = _reasons(cut)
    expect(reasons and reasons[0] >> 12 == 0xC, f"cut-off part: {reasons}")
    foreign = make(session, form=Form(NOT_THERE))
    unknown = session.store_parts([foreign.data])
    expect(unknown.status in (200, 409), f"status of an unknown transfer syntax {unknown.status}")
    if unknown.status == 409:
        expect_equal(_reasons(unknown), [0xC122], "reason for an unknown transfer syntax")
    session.studies.update((whole.study, foreign.study))
    return f"cut off {reasons[0]:#06x}, unknown syntax {'0xc122' if unknown.status == 409 else 'stored'}"


def _reasons(answer: StoreAnswer) -> list[int]:
    return [int(first(item, "00081197", 0)) for item in answer.items("00081198") + answer.items("0008119A")]


@shows("S-23", "W-19", "S-24", "S-26", "P-17")
def data_sets_are_kept_whole(session: Session) -> str:
    private = {
        0x00090010: Element("LO", "CONFORMANCE SUITE"),
        0x00091001: Element("UN", bytes(range(256))),
        0x00091002: Element("OB", b"\xff\xd8\xff\xe0secret of the maker"),
        0x00091003: Element("SQ", [attributes(CodeValue="X"), {}]),
        0x00131001: Element("DS", "1.50\\+2.0e3"),
        0x30030100: Element("UT", "an attribute that no dictionary has"),
    }
    for undefined in (True, False):
        instance = make(
            session, sop_class=session.root + ".77", form=Form(undefined=undefined), extra=private
        )
        session.stored(instance)
        expect(
            _kept(session, instance) == instance.dataset, f"undefined lengths {undefined}: not the same bytes"
        )
    return "private SOP class, private and unknown elements byte-identical with transfer-syntax=*"


@shows("S-25")
def an_identical_resend_succeeds(session: Session) -> str:
    instance = make(session)
    session.stored(instance)
    again = session.store(instance)
    expect_equal(again.status, 200, "status of the resend")
    expect_equal(again.stored, [instance.sop], "ReferencedSOPSequence")
    other_preamble = finish(instance.elements, Form(preamble=b"II*\0" + b"\x08" + bytes(123)))
    third = session.store(other_preamble)
    expect_equal(third.status, 200, "status with another preamble")
    expect_equal(_count(session, instance), 1, "copies")
    return "200, one copy, also with another preamble"


@shows("S-25")
def other_content_under_the_same_uid_follows_a_policy(session: Session) -> str:
    old = make(session, StudyDescription="old")
    new = make(session, study=old.study, series=old.series, sop=old.sop, StudyDescription="new")
    session.stored(old)
    answer = session.store(new)
    expect_equal(_count(session, old), 1, "copies")
    now = _kept(session, old)
    if answer.status == 409:
        expect_equal(answer.failed, {old.sop: 0x0111}, "FailureReason")
        expect(now == old.dataset, "refused, yet the stored bytes changed")
        return "refused with 0x0111, the first copy stays"
    expect(answer.status in (200, 202), f"status {answer.status}")
    expect(now in (old.dataset, new.dataset), "neither the old nor the new bytes come back")
    return f"{answer.status}, {'the new' if now == new.dataset else 'the first'} copy is served"


@shows("S-25")
def the_same_uid_in_another_study_follows_the_policy(session: Session) -> str:
    old = make(session)
    moved = make(session, sop=old.sop)
    session.stored(old)
    answer = session.store(moved)
    expect_equal(_count(session, old), 1, "instances with that SOP Instance UID")
    if answer.status == 409:
        expect_equal(answer.failed, {old.sop: 0x0111}, "FailureReason")
    expect(answer.status in (200, 202, 409), f"status {answer.status}")
    return f"{answer.status}, one instance"


@shows("S-27")
def the_same_instance_twice_in_a_request(session: Session) -> str:
    instance = make(session)
    session.studies.add(instance.study)
    answer = session.store_parts([instance.data, instance.data])
    expect(answer.status in (200, 202), f"status {answer.status}")
    expect(instance.sop in answer.stored, "not listed as stored")
    expect_equal(_count(session, instance), 1, "copies")
    return f"{answer.status}, one copy"


@shows("S-25", "S-27")
def two_contents_of_one_uid_in_a_request(session: Session) -> str:
    old = make(session, StudyDescription="old")
    new = make(session, study=old.study, series=old.series, sop=old.sop, StudyDescription="new")
    answer = session.store(old, new)
    expect_equal(_count(session, old), 1, "copies")
    kept = _kept(session, old)
    expect(kept in (old.dataset, new.dataset), "neither of both comes back")
    if old.sop in answer.failed:
        expect_equal((answer.status, answer.stored), (202, [old.sop]), "status, stored")
        expect_equal(answer.failed, {old.sop: 0x0111}, "FailureReason")
        expect(kept == old.dataset, "the refused one is served")
    return f"{answer.status}, {'the second' if kept == new.dataset else 'the first'} is served"


@shows("S-21", "G-11")
def padded_uids_are_the_same_uids(session: Session) -> str:
    plain = make(session)
    tail = " " if len(plain.study) % 2 else "  "
    spaced = {
        0x0020000D: Element("UI", (plain.study + tail).encode()),
        0x0020000E: Element("UI", (plain.series + "\0" * 2).encode()),
        0x00080018: Element("UI", (plain.sop + " \0").encode()),
    }
    padded = make(session, study=plain.study, series=plain.series, sop=plain.sop, extra=spaced)
    session.studies.add(plain.study)
    expect_equal(session.store_parts([padded.data]).status, 200, "status")
    expect_equal(_count(session, plain), 1, "found by the trimmed UID")
    expect_equal(session.get(plain.path + "/metadata", accept=JSON).status_code, 200, "retrieved by it")
    return "trailing spaces and NULs are no part of a UID"


@shows("S-27", seconds=120)
def the_same_instance_from_many_clients_at_once(session: Session) -> str:
    study, series = session.new_uid(), session.new_uid()
    instances = [make(session, study=study, series=series, InstanceNumber=str(n)) for n in range(6)]
    orders = [instances[shift:] + instances[:shift] for shift in range(6)] * 2

    def send(order: list[Instance]) -> int:
        return session.store(*order).status

    with ThreadPoolExecutor(len(orders)) as pool:
        statuses = list(pool.map(send, orders))
    expect_equal(set(statuses), {200}, "statuses")
    result = session.search("/studies", f"StudyInstanceUID={study}")[0]
    expect_equal(int(first(result, "00201208")), 6, "NumberOfStudyRelatedInstances")
    expect_equal(int(first(result, "00201206")), 1, "NumberOfStudyRelatedSeries")
    return "12 senders of the same 6 instances: 200 each, 6 counted"


@shows("S-28", "S-45", "J-08")
def bad_optional_values_are_tolerated(session: Session) -> str:
    instance = make(
        session,
        PatientBirthDate="sometime",
        StudyTime="25:99",
        PatientWeight="heavy",
        SeriesNumber="one",
        PatientSex="unknown to the subject",
    )
    answer = session.store(instance)
    expect(answer.status in (200, 202), f"status {answer.status}")
    expect_equal(answer.stored, [instance.sop], "ReferencedSOPSequence")
    warnings = {first(item, "00081196") for item in answer.items("00081199")} - {None}
    expect(warnings <= {0xB000, 0xB006, 0xB007}, f"WarningReason {warnings}")
    weight = session.metadata(instance.path)[0]["00101030"]
    expect_equal(weight.get("Value"), ["heavy"], "PatientWeight in the metadata")
    expect(_kept(session, instance) == instance.dataset, "the stored bytes changed")
    return f"{answer.status}, warnings {sorted(map(hex, warnings)) or 'none'}, bytes kept"


@shows("S-30")
def preambles_are_zeroed_unless_tiff(session: Session) -> str:
    program = make(session, form=Form(preamble=b"MZ" + b"\x90" * 126))
    tiff = make(session, form=Form(preamble=b"II*\0\x08\0\0\0" + bytes(120)))
    session.stored(program, tiff)
    seen = [read_file(session.parts(one.path, STORED)[0].content).preamble for one in (program, tiff)]
    expect_equal(seen[0], bytes(128), "preamble that is no TIFF header")
    expect_equal(seen[1][:8], b"II*\0\x08\0\0\0", "TIFF preamble")
    return "executable preamble zeroed, TIFF preamble kept"


@shows("P-02")
def files_without_preamble_or_meta_are_stored(session: Session) -> str:
    stored = []
    for name, uid in (("implicit", IMPLICIT), ("explicit", EXPLICIT)):
        bare = make(session, form=Form(uid, bare=True))
        answer = session.store(bare)
        if answer.status in (200, 202) and _count(session, bare) == 1:
            stored.append(name)
    headless = make(session)
    session.studies.add(headless.study)
    if session.store_parts([headless.data[128:]]).status in (200, 202):
        stored.append("DICM first")
    expect_equal(len(stored), 3, f"forms stored ({', '.join(stored) or 'none'})")
    return ", ".join(stored)


@shows("P-04", "P-07")
def all_native_encodings_are_stored(session: Session) -> str:
    nested = attributes(
        ProcedureCodeSequence=[
            attributes(CodeValue="A", ReferencedImageSequence=[attributes(CodeMeaning="deep"), {}]),
            {},
        ]
    )
    for uid in (IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN):
        for undefined in (True, False):
            instance = make(session, form=Form(uid, undefined=undefined), extra=nested)
            answer = session.store(instance)
            expect_equal(answer.status, 200, f"status for {uid}, undefined lengths {undefined}")
            item = first(session.metadata(instance.path)[0], "00081032", {})
            deep = first(item, "00081140", {})
            expect_equal(first(deep, "00080104"), "deep", f"the nested item, {uid}")
    return "implicit, explicit, deflated, big-endian, with defined and undefined lengths"


@shows("G-61", "S-11", "V-15", "V-07")
def uploads_as_clients_write_them(session: Session) -> str:
    odd = "a'()+_,-./:=? b"
    forms = {
        "unquoted type": ("multipart/related; type=application/dicom; boundary=XX", "XX"),
        "no type": ("multipart/related; boundary=XX", "XX"),
        "quoted boundary of unusual characters": (
            f'multipart/related; type="application/dicom"; boundary="{odd}"',
            odd,
        ),
        "leading dashes": (
            'multipart/related; boundary="----WebKit7"; type="application/dicom"',
            "----WebKit7",
        ),
        "charset and upper case": (
            'Multipart/Related;TYPE="Application/DICOM";charset=utf-8;Boundary=XX',
            "XX",
        ),
        "transfer-syntax": (
            f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}; boundary=XX',
            "XX",
        ),
        "70 characters": (f'multipart/related; type="application/dicom"; boundary={"b" * 70}', "b" * 70),
    }
    for name, (content_type, boundary) in forms.items():
        instance = make(session)
        session.studies.add(instance.study)
        headers = {"Content-Type": f"application/dicom; transfer-syntax={EXPLICIT}", "MIME-Version": "1.0"}
        body = write_related([(headers, instance.data)], boundary)
        expect_equal(session.store_body(body, content_type).status, 200, name)
    return ", ".join(forms)


@shows("G-61", "S-11")
def preamble_epilogue_and_padding_are_skipped(session: Session) -> str:
    instance = make(session)
    session.studies.add(instance.study)
    head = f"This is a preamble.\r\n--{BOUNDARY} \t\r\n"
    head += "Content-ID: <1@x>\r\nContent-Type: application/dicom\r\n\r\n"
    body = head.encode() + instance.data + f"\r\n--{BOUNDARY}--\r\nAn epilogue.".encode()
    content_type = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    expect_equal(session.store_body(body, content_type).status, 200, "status")
    return "200"


@shows("G-61", "S-11", "V-15")
def chunked_bodies_of_any_cut_are_stored(session: Session) -> str:
    for size in (7, 1000, 65536):
        instance = make(session)
        session.studies.add(instance.study)
        body = write_related([({"Content-Type": "application/dicom"}, instance.data)])
        chunks = (body[start : start + size] for start in range(0, len(body), size))
        content_type = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
        expect_equal(session.store_body(chunks, content_type).status, 200, f"status for chunks of {size}")
    return "chunks of 7, 1000 and 65536 bytes"


@shows("S-12")
def gzip_request_bodies_are_read(session: Session) -> str:
    instance = make(session)
    session.studies.add(instance.study)
    body = gzip.compress(write_related([({"Content-Type": "application/dicom"}, instance.data)]))
    response = session.send(
        "POST",
        "/studies",
        headers={
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
            "Content-Encoding": "gzip",
        },
        content=body,
    )
    expect_equal(response.status_code, 200, "status")
    expect_equal(_count(session, instance), 1, "instances found afterwards")
    return "200"


@shows("S-13")
def accept_of_the_store_answer(session: Session) -> str:
    content_type = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    for accept in ("application/dicom+json", "*/*", "application/json", None):
        instance = make(session)
        session.studies.add(instance.study)
        body = write_related([({"Content-Type": "application/dicom"}, instance.data)])
        answer = session.store_body(body, content_type, accept=accept)
        expect_equal(answer.status, 200, f"status for Accept {accept}")
        expect(answer.stored, f"Accept {accept}: no Store Response in JSON")
    refused = make(session)
    session.studies.add(refused.study)
    body = write_related([({"Content-Type": "application/dicom"}, refused.data)])
    expect_equal(session.store_body(body, content_type, accept="image/png").status, 406, "Accept image/png")
    expect_equal(_count(session, refused), 0, "stored though 406 was answered")
    return "dicom+json, json, */*, none; image/png 406 and nothing stored"
