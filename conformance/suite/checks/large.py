"""Many frames, many senders, large objects: still exact, still soon."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.multipart import BOUNDARY
from conformance.suite.objects import (
    MULTIFRAME_BYTE,
    Instance,
    encapsulated_image,
    make,
    picture_module,
    rle_frame,
)
from conformance.suite.part10 import RLE, Element, attributes
from conformance.suite.samples import COLUMNS, ROWS
from conformance.suite.session import OCTETS, STORED, Session, first

FRAME = ROWS * COLUMNS


def _small_frame(number: int) -> bytes:
    """A frame of 8-bit pixels that tells its number."""
    return number.to_bytes(4, "little") + bytes(FRAME - 4)


@shows("W-36", "W-03", seconds=120)
def a_late_frame_of_many(session: Session) -> str:
    count = 9000
    module = picture_module("smooth8") | attributes(NumberOfFrames=count)
    pixels = b"".join(_small_frame(number) for number in range(1, count + 1))
    native = make(session, sop_class=MULTIFRAME_BYTE, extra=module | {0x7FE00010: Element("OB", pixels)})
    session.stored(native)
    started = time.monotonic()
    part = session.parts(f"{native.path}/frames/{count}", OCTETS)[0]
    seconds = time.monotonic() - started
    expect(part.content == _small_frame(count), f"frame {count} is another one")
    expect(seconds < 2, f"frame {count} took {seconds:.1f} s")
    return f"frame {count} in {seconds * 1000:.0f} ms"


@shows("W-36", "W-37", "P-08", "P-09", seconds=120)
def a_late_frame_of_many_compressed(session: Session) -> str:
    count = 2000
    streams = [rle_frame(_small_frame(number), 1) for number in range(1, count + 1)]
    for table in ("full", "empty", "extended"):
        image = encapsulated_image(session, RLE, streams, picture_module("smooth8"), table=table)
        session.stored(image)
        parts = session.parts(f"{image.path}/frames/{count - 1},{count}", OCTETS)
        seen = [part.content for part in parts]
        expect(seen == [_small_frame(count - 1), _small_frame(count)], f"{table} offset table: other frames")
    return f"the last two of {count} frames, three kinds of offset tables"


@shows("S-02", "B-01", "H-05", seconds=180)
def a_large_object_streams(session: Session) -> str:
    size = 96 << 20
    instance = make(session)
    session.studies.add(instance.study)
    head = instance.data + b"\xe0\x7f\x10\x00OB\0\0" + size.to_bytes(4, "little")
    block = bytes(range(256)) * 4096

    def body() -> object:
        yield f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + head
        for _ in range(size // len(block)):
            yield block
        yield f"\r\n--{BOUNDARY}--\r\n".encode()

    answer = session.store_body(body(), f'multipart/related; type="application/dicom"; boundary={BOUNDARY}')
    expect_equal(answer.stored, [instance.sop], "ReferencedSOPSequence")
    uri = session.metadata(instance.path)[0]["7FE00010"]["BulkDataURI"]
    tail = session.get(uri, accept="application/octet-stream", headers={"Range": "bytes=-512"})
    expect_equal((tail.status_code, tail.content), (206, block[-512:]), "the last 512 bytes")
    part = session.parts(instance.path, STORED)[0].content
    expect(part[132:].endswith(block) and len(part) >= len(head) + size - 64, "the object is not whole")
    return f"{size >> 20} MiB stored, read back whole and by range"


@shows("S-27", "Q-58", seconds=120)
def many_senders_of_one_study(session: Session) -> str:
    study, shared = session.new_uid(), session.new_uid()
    batches: list[list[Instance]] = []
    for sender in range(16):
        own = session.new_uid()
        batches.append(
            [
                make(session, study=study, series=shared, InstanceNumber=str(sender)),
                make(session, study=study, series=own, Modality="PT" if sender % 2 else "CT"),
            ]
        )
    with ThreadPoolExecutor(16) as pool:
        statuses = set(pool.map(lambda batch: session.store(*batch).status, batches))
    expect_equal(statuses, {200}, "statuses")
    result = session.search("/studies", f"StudyInstanceUID={study}")[0]
    counts = [int(first(result, tag)) for tag in ("00201206", "00201208")]
    expect_equal(counts, [17, 32], "series and instances of the study")
    expect_equal(sorted(result["00080061"]["Value"]), ["CT", "PT"], "ModalitiesInStudy")
    series = session.search(f"/studies/{study}/series", f"SeriesInstanceUID={shared}")[0]
    expect_equal(int(first(series, "00201209")), 16, "instances of the shared series")
    return "16 senders, exact counts and modalities"
