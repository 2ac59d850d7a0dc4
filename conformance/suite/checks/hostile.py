"""Hostile and broken input: an answer below 500 each time, and the next request is served (checklist B)."""

from __future__ import annotations

import gzip
import struct
import zlib

from conformance.suite.check import Failed, expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.multipart import BOUNDARY, write_related
from conformance.suite.objects import (
    Form,
    encapsulated_image,
    finish,
    make,
    native_image,
    picture_module,
    rle_image,
)
from conformance.suite.part10 import DEFLATED, Element, Encoding, attributes, encode, file_meta
from conformance.suite.raw import exchange, open_socket, raw_request
from conformance.suite.samples import SAMPLES
from conformance.suite.session import DICOM, JSON, OCTETS, Session, first

CONTENT_TYPE = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'

# Processing failure, duplicate, SOP class not supported (PS3.4 B.2.3, PS3.7 C).
OTHER_REASONS = (0x0110, 0x0111, 0x0122)


def _still_serves(session: Session) -> None:
    response = session.send("GET", "/studies", query="limit=1", accept=JSON, seconds=20)
    expect(response.status_code in (200, 204), f"afterwards a search answers {response.status_code}")


def _refused_or_stored(session: Session, data: bytes, name: str, *, study: str = "") -> int:
    """STOW of bad bytes: any answer below 500, and the server goes on."""
    if study:
        session.studies.add(study)
    answer = session.store_parts([data])
    expect(answer.status in (200, 202, 400, 409, 413), f"{name}: {answer.status}")
    reasons = [first(item, "00081197", 0) for item in answer.items("00081198") + answer.items("0008119A")]
    unknown = [hex(one) for one in reasons if one >> 8 not in (0xA7, 0xA9) and one >> 12 != 0xC]
    unknown = [one for one in unknown if int(one, 16) not in OTHER_REASONS]
    expect(not unknown, f"{name}: failure reasons {unknown}")
    _still_serves(session)
    return answer.status


@shows("B-03", "B-08", "B-02", bad_input=True, seconds=120)
def a_value_that_claims_three_gigabytes(session: Session) -> str:
    seen = []
    for tag, vr in ((0x7FE00010, b"OW"), (0x00091001, b"UN"), (0x00420011, b"OB")):
        whole = make(session)
        head = struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, 3_000_000_000)
        tail = whole.data + head if tag > 0x00400000 else whole.data[:-40] + head
        answer = _refused_or_stored(
            session, tail + b"\x55" * 100_000, f"{vr.decode()} of 3 GB", study=whole.study
        )
        expect(answer in (400, 409, 413), f"3 GB claimed, 100 kB sent: {answer}")
        seen.append(answer)
    return f"{seen}"


@shows("B-08", "P-16", bad_input=True, seconds=120)
def a_huge_image_over_no_pixels(session: Session) -> str:
    layout = attributes(Rows=46341, Columns=46341)
    seen = []
    for image in (native_image(session), rle_image(session)):
        huge = finish({**image.elements, **layout}, Form(image.transfer_syntax_uid))
        answer = _refused_or_stored(session, huge.data, "46341 x 46341", study=huge.study)
        if answer in (200, 202):
            for path, accept in (
                (huge.path + "/frames/1", OCTETS),
                (huge.path, DICOM),
                (huge.path + "/metadata", JSON),
            ):
                response = session.send("GET", path, accept=accept)
                expect(response.status_code < 500, f"GET {path[-9:]}: {response.status_code}")
                seen.append(response.status_code)
    _still_serves(session)
    return f"answers {seen}"


@shows("B-03", "W-61", bad_input=True)
def fewer_pixels_than_claimed(session: Session) -> str:
    image = native_image(session, frames=4)
    seen = []
    plain = {tag: element for tag, element in image.elements.items() if tag >> 16 != 8}
    for name, value in (("NumberOfFrames", 10), ("Rows", 0), ("NumberOfFrames", -1), ("BitsAllocated", 7)):
        odd = make(session, extra={**plain, **attributes(**{name: value})})
        if _refused_or_stored(session, odd.data, "odd layout", study=odd.study) not in (200, 202):
            continue
        for path, accept in (("/frames/10", OCTETS), ("/frames/1", OCTETS), ("", DICOM), ("/metadata", JSON)):
            response = session.send("GET", odd.path + path, accept=accept)
            expect(response.status_code < 500, f"{path}: {response.status_code}")
            seen.append(response.status_code)
        frame = session.send("GET", odd.path + "/frames/10", accept=OCTETS).status_code
        expect(frame >= 400, f"frame 10 of 4: {frame}")
    return f"{seen}"


@shows("B-04", "P-07", bad_input=True, seconds=120)
def a_deflate_bomb(session: Session) -> str:
    small = make(session, form=Form(DEFLATED))
    head = encode({tag: one for tag, one in small.elements.items() if tag < 0x00200000}, Encoding())
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = [packer.compress(head + struct.pack("<HH2sHI", 0x0042, 0x0011, b"OB", 0, 0xF0000000))]
    zeros = bytes(16 << 20)
    packed += [packer.compress(zeros) for _ in range(40)]
    body = b"".join(packed) + packer.flush()
    data = bytes(128) + b"DICM" + file_meta(small.elements, DEFLATED) + body
    status = _refused_or_stored(session, data, "640 MB out of 650 kB", study=small.study)
    return f"{len(data) >> 10} KiB that inflate to 640 MiB: {status}"


@shows("B-03", bad_input=True)
def broken_part_10_files(session: Session) -> str:
    whole = native_image(session)
    data = whole.data
    cases = {
        "only a preamble": data[:132],
        "meta cut": data[:150],
        "cut within a value": data[:-301],
        "cut within a header": data[:347],
        "group length too long": data[:140] + b"\xff\xff\xff\x7f" + data[144:],
        "group length too short": data[:140] + b"\x02\0\0\0" + data[144:],
        "group length zero": data[:140] + bytes(4) + data[144:],
        "VR of zeros": data.replace(b"PN", b"\0\0", 1),
        "odd lengths": data.replace(b"Conformance^Suite ", b"Conformance^Suite", 1),
        "stray delimiters": data[:-960] + b"\xfe\xff\xdd\xe0\0\0\0\0" * 3,
        "noise": bytes((n * 7919) >> 3 & 0xFF for n in range(5000)),
        "noise after DICM": data[:132] + bytes((n * 104729) >> 5 & 0xFF for n in range(5000)),
    }
    session.studies.add(whole.study)
    seen = {name: _refused_or_stored(session, content, name) for name, content in cases.items()}
    return ", ".join(f"{name} {status}" for name, status in seen.items())


@shows("B-03", bad_input=True, seconds=120)
def flipped_bytes(session: Session) -> str:
    whole = native_image(session)
    session.studies.add(whole.study)
    parts = []
    for index in range(132, len(whole.data) - 960, 3):
        changed = bytearray(whole.data)
        changed[index] ^= 0xFF
        parts.append(bytes(changed))
    statuses = set()
    for start in range(0, len(parts), 60):
        answer = session.store_parts(parts[start : start + 60])
        expect(answer.status < 500, f"{answer.status}")
        statuses.add(answer.status)
        session.studies.update(
            str(path).split("/studies/")[1].split("/")[0]
            for item in answer.items("00081199")
            for path in item.get("00081190", {}).get("Value", [])
            if "/studies/" in str(path)
        )
    _still_serves(session)
    return f"{len(parts)} files with one byte flipped: {sorted(statuses)}"


@shows("B-03", "P-16", bad_input=True, seconds=120)
def broken_codestreams(session: Session) -> str:

    seen = []
    for key in ("50", "70", "80", "90", "201", "110"):
        sample = SAMPLES[key]
        stream = sample.frames[0]
        torn = stream[: len(stream) // 2]
        noisy = stream[:60] + bytes(byte ^ 0x5A for byte in stream[60:])
        for broken in (torn, noisy, b"", b"no codestream at all"):
            image = encapsulated_image(
                session, sample.transfer_syntax_uid, [broken], picture_module(sample.picture)
            )
            if _refused_or_stored(session, image.data, key, study=image.study) in (200, 202):
                for path, accept in ((image.path + "/frames/1", OCTETS), (image.path, DICOM)):
                    response = session.send("GET", path, accept=accept)
                    expect(response.status_code < 500, f"{key}: {response.status_code}")
                    seen.append(response.status_code)
    _still_serves(session)
    return f"{len(seen)} retrievals: {sorted(set(seen))}"


@shows("B-03", "G-05", bad_input=True)
def malformed_queries(session: Session) -> str:
    queries = (
        "%", "%zz=1", "StudyDate=%FF%FE", "PatientName=%C3", "=", "&&&", "PatientName", "00100010=%00%00",
        "limit=99999999999999999999999", "offset=9999999999999999999", "StudyDate=99999999", "StudyTime=-",
        "StudyInstanceUID=%27%20OR%201%3D1", "includefield=,,,", "includefield=" + "a." * 3000 + "b",
        "00081032.00081032.00080100=x", "PatientName=" + "*" * 5000, "PatientName=" + "%3F*" * 2000,
        "SeriesNumber=1e400", "SeriesNumber=nan", "fuzzymatching=true&PatientName=" + "a%20" * 500,
        "ModalitiesInStudy=" + ",".join(["CT"] * 3000),
    )  # fmt: skip
    seen = set()
    for query in queries:
        for path in ("/studies", "/series", "/instances"):
            status = session.send("GET", path, query=query, accept=JSON).status_code
            expect(status < 500, f"{path}?{query[:40]}: {status}")
            seen.add(status)
    _still_serves(session)
    return f"{len(queries)} queries: {sorted(seen)}"


@shows("B-03", "G-20", "G-23", bad_input=True)
def malformed_accept_headers(session: Session) -> str:
    path = pictures.native(session).path
    headers = (
        ";;;", ",", "multipart/related; type=", 'multipart/related; type="', "*/dicom",
        "multipart/related; type=*", "application/dicom; transfer-syntax=",
        "application/dicom; q=2", "application/dicom; q=abc",
        'multipart/related; type="application/dicom', "a/b;" * 3000, ("x/y, " * 2000) + DICOM, "\x01\x02",
    )  # fmt: skip
    seen = set()
    for accept in headers:
        for resource in (path, path + "/metadata", path + "/frames/1"):
            status = session.send("GET", resource, accept=accept).status_code
            expect(status < 500, f"Accept {accept[:30]!r}: {status}")
            seen.add(status)
    return f"{len(headers)} headers: {sorted(seen)}"


@shows("B-03", "S-11", "W-30", bad_input=True)
def malformed_bodies_and_boundaries(session: Session) -> str:
    instance = make(session)
    session.studies.add(instance.study)
    part = write_related([({"Content-Type": "application/dicom"}, instance.data)])
    bodies = {
        "empty boundary": (part, 'multipart/related; type="application/dicom"; boundary=""'),
        "boundary of 300": (part, "multipart/related; boundary=" + "x" * 300),
        "boundary with control": (part, 'multipart/related; boundary="a\\\tb"'),
        "no headers end": (f"--{BOUNDARY}\r\nContent-Type: application/dicom".encode(), CONTENT_TYPE),
        "endless part header": (f"--{BOUNDARY}\r\nX: {'y' * 500_000}\r\n\r\n".encode(), CONTENT_TYPE),
        "ten thousand empty parts": (
            f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n\r\n".encode() * 10_000
            + f"--{BOUNDARY}--\r\n".encode(),
            CONTENT_TYPE,
        ),
        "part of another type": (
            write_related([({"Content-Type": "text/html"}, b"<html>")]),
            CONTENT_TYPE,
        ),
        "only the closing delimiter": (f"--{BOUNDARY}--\r\n".encode(), CONTENT_TYPE),
    }
    seen = {}
    for name, (body, content_type) in bodies.items():
        answer = session.store_body(body, content_type)
        expect(400 <= answer.status < 500, f"{name}: {answer.status}")
        seen[name] = answer.status
    _still_serves(session)
    return ", ".join(f"{name} {status}" for name, status in seen.items())


@shows("B-03", "W-30", bad_input=True)
def long_and_malformed_frame_lists(session: Session) -> str:
    path = pictures.native_frames(session).path + "/frames/"
    lists = (
        "99999999999999999999",
        "1-99999999",
        "1,2" * 500,
        "1," * 8000 + "1",
        "%00",
        "1%2C%2C",
        "٣",
        "+1",
    )
    seen = []
    for numbers in lists:
        status = session.send("GET", path + numbers, accept=OCTETS).status_code
        expect(status < 500, f"frames/{numbers[:20]}: {status}")
        seen.append(status)
    _still_serves(session)
    return f"{seen}"


@shows("B-04", bad_input=True, seconds=120)
def a_gzip_bomb(session: Session) -> str:
    packed = gzip.compress(bytes(256 << 20), 9)
    response = session.send(
        "POST",
        "/studies",
        headers={"Content-Type": CONTENT_TYPE, "Content-Encoding": "gzip"},
        content=packed,
    )
    expect(400 <= response.status_code < 500, f"status {response.status_code}")
    _still_serves(session)
    return f"{len(packed) >> 10} KiB that inflate to 256 MiB: {response.status_code}"


@shows("V-15", "H-21", "B-03", bad_input=True)
def an_upload_that_breaks_off(session: Session) -> str:
    instance = make(session)
    body = write_related([({"Content-Type": "application/dicom"}, instance.data)])
    head = (
        f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\nAccept: application/dicom+json\r\n"
    )
    for cut in (len(body) - 30, len(body) // 2, 10, 0):
        raw_request(session, "POST", "/studies", head, body[:cut], close=True)
    expect_equal(session.search("/instances", f"SOPInstanceUID={instance.sop}"), [], "stored though cut off")
    _still_serves(session)
    return "four cuts, nothing stored"


@shows("B-08", "H-21", "B-02", bad_input=True)
def unfinished_request_heads(session: Session) -> str:
    sockets = [open_socket(session) for _ in range(60)]
    try:
        for one in sockets:
            one.sendall(b"GET /studies HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        _still_serves(session)
    finally:
        for one in sockets:
            one.close()
    return "60 unfinished heads, the next request is served"


@shows("B-03", "H-21", bad_input=True)
def garbage_instead_of_http(session: Session) -> str:
    heads = {
        "noise": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n",
        "no version": b"GET /studies\r\n\r\n",
        "bad method": b"G\x00T / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "bad header": b"GET /studies HTTP/1.1\r\nHost: localhost\r\nno colon here\r\n\r\n",
        "two lengths": b"POST /studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Content-Length: 6\r\n\r\nabcdef",
        "length and chunked": b"POST /studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "bad chunk": b"POST /studies HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        "huge head": b"GET /studies HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 3_000_000 + b"\r\n\r\n",
    }
    seen = []
    for name, head in heads.items():
        status = exchange(session, head)
        if status >= 500 and status != 505:
            raise Failed(f"{name}: {status}")
        seen.append(f"{name} {status or 'closed'}")
    _still_serves(session)
    return ", ".join(seen)


@shows("S-11")
def expect_100_continue(session: Session) -> str:
    instance = make(session)
    session.studies.add(instance.study)
    body = write_related([({"Content-Type": "application/dicom"}, instance.data)])
    head = f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n"
    answer = raw_request(session, "POST", "/studies", head, body, wait_for_continue=True)
    expect_equal(answer, [100, 200], "statuses")
    return "100, then 200"


@shows("B-02", "S-22", bad_input=True, seconds=120)
def long_values_are_bounded_or_stored(session: Session) -> str:
    instance = make(session, extra={0x00204000: Element("UT", "x" * (6 << 20))})
    status = _refused_or_stored(session, instance.data, "UT of 6 MiB", study=instance.study)
    many = make(session, extra={0x30030000 + n: Element("LO", "v") for n in range(1, 60_000)})
    other = _refused_or_stored(session, many.data, "60,000 attributes", study=many.study)
    return f"text of 6 MiB {status}, 60,000 attributes {other}"


@shows("B-03", "B-08", "S-22", bad_input=True, seconds=120)
def deeply_nested_sequences(session: Session) -> str:
    whole = make(session)
    seen = []
    for undefined in (True, False):
        deep = _nest(20_000, undefined)
        data = whole.data + deep
        seen.append(_refused_or_stored(session, data, "20,000 levels", study=whole.study))
    return f"20,000 levels: {seen}"


def _nest(depth: int, undefined: bool) -> bytes:
    """A sequence in a sequence ... appended after the last standard group."""
    if undefined:
        opening = struct.pack("<HH2sHIHHI", 0x3003, 0x0100, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
        closing = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        return opening * depth + closing * depth
    pieces, length = [], 0
    for _ in range(depth):
        pieces.append(struct.pack("<HH2sHIHHI", 0x3003, 0x0100, b"SQ", 0, length + 8, 0xFFFE, 0xE000, length))
        length += 20
    return b"".join(reversed(pieces))
