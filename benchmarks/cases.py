"""The table: what is asked, how an answer is checked, what the limit is, and what is to be reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import imagecodecs

from benchmarks import answers
from benchmarks.answers import demand
from benchmarks.case import Call, Case, Held, Limit, Reach
from benchmarks.objects import HTJ2K, JPEG_2000, JPEG_BASELINE, JPEG_LS, Objects, Series, movie_frame
from benchmarks.wire import Answer, Request

EXPLICIT = "1.2.840.10008.1.2.1"
_JSON = {"Accept": "application/dicom+json"}
AS_STORED = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
_FRAMES = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
# Spelled out: not every peer takes transfer-syntax=* for compressed frames.
_JPEG_FRAMES = {"Accept": f'multipart/related; type="image/jpeg"; transfer-syntax={JPEG_BASELINE}'}
_PICTURE = {"Accept": "image/jpeg"}
_BOUNDARY = "bench-boundary"
_STORED = {**_JSON, "Content-Type": f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'}
_PAGE, _DEEP = 25, 1000


# --- searches --------------------------------------------------------------------------------------

_STUDY_UID, _PATIENT_ID, _ACCESSION = "0020000D", "00100020", "00080050"
_NAME, _DATE, _MODALITIES = "00100010", "00080020", "00080061"


def _search(path: str, check: Callable[[list[dict[str, Any]]], None]) -> Call:
    return Call([Request(path, _JSON)], lambda found: check(answers.results(found[0])))


def _all_have(tag: str, wanted: str) -> Callable[[list[dict[str, Any]]], None]:
    def check(found: list[dict[str, Any]]) -> None:
        demand(bool(found), "nothing found")
        demand(all(answers.value(one, tag) == wanted for one in found), "a result does not match")

    return check


def _page_of(matches: Callable[[dict[str, Any]], bool]) -> Callable[[list[dict[str, Any]]], None]:
    def check(found: list[dict[str, Any]]) -> None:
        demand(0 < len(found) <= _PAGE, f"{len(found)} results")
        demand(all(map(matches, found)), "a result does not match")

    return check


def _by_uid(held: Held, number: int) -> Call:
    uid = held.study(number).uid
    return _search(f"/studies?StudyInstanceUID={uid}", _all_have(_STUDY_UID, uid))


def _by_patient(held: Held, number: int) -> Call:
    patient = held.study(number).patient_id
    return _search(f"/studies?PatientID={patient}", _all_have(_PATIENT_ID, patient))


def _by_accession(held: Held, number: int) -> Call:
    accession = held.study(number).accession_number
    return _search(f"/studies?AccessionNumber={accession}", _all_have(_ACCESSION, accession))


def _by_name(held: Held, number: int) -> Call:
    """A prefix that matches more the more there are."""
    prefix = held.study(number).patient_name[:4]

    def matches(result: dict[str, Any]) -> bool:
        return bool(answers.value(result, _NAME)["Alphabetic"].lower().startswith(prefix.lower()))

    return _search(f"/studies?PatientName={prefix}*&limit={_PAGE}", _page_of(matches))


def _dates(held: Held, number: int) -> tuple[str, Callable[[dict[str, Any]], bool]]:
    year = held.study(number).study_date[:4]
    first, last = f"{year}0101", f"{year}1231"
    return f"StudyDate={first}-{last}", lambda result: first <= answers.value(result, _DATE) <= last


def _by_date(held: Held, number: int) -> Call:
    dates, matches = _dates(held, number)
    return _search(f"/studies?{dates}&limit={_PAGE}", _page_of(matches))


def _offset_page(held: Held, number: int) -> Call:
    offset = min(_PAGE * (1 + number % 4), held.studies - 1)
    return _search(f"/studies?limit={_PAGE}&offset={offset}", _page_of(lambda _: True))


def _deep_page(held: Held, number: int) -> Call:
    offset = max(0, min(_DEEP * _PAGE, held.studies - 3 * _PAGE) - number % _PAGE)
    return _search(f"/studies?limit={_PAGE}&offset={offset}", _page_of(lambda _: True))


def _deep_page_by_link(held: Held, number: int) -> Call:
    """What comes after a deep page, by the link that it carries."""
    page = _deep_page(held, number)
    return Call(page.requests, page.check, before=page.requests, follows=True)


def _by_modality(held: Held, number: int) -> Call:
    dates, in_dates = _dates(held, number)
    modality = held.study(number).kind.series[-1].modality

    def matches(result: dict[str, Any]) -> bool:
        return in_dates(result) and modality in result[_MODALITIES]["Value"]

    return _search(f"/studies?ModalitiesInStudy={modality}&{dates}&limit={_PAGE}", _page_of(matches))


# --- retrieval -------------------------------------------------------------------------------------


def _metadata_of(series: Series, headers: Mapping[str, str] = _JSON) -> Call:
    wanted = {uid for uid, _ in series.instances}

    def check(found: Sequence[Answer]) -> None:
        uids = {answers.value(one, "00080018") for one in answers.results(found[0])}
        demand(uids == wanted, "metadata of other instances")

    return Call([Request(f"{series.path}/metadata", headers)], check)


def _metadata_first(held: Held, _number: int) -> Call:
    series = held.objects.small.again()
    call = _metadata_of(series)
    return Call(call.requests, call.check, before=[store_request(series)])


def _metadata_again(held: Held, _number: int) -> Call:
    return _metadata_of(held.objects.cts)


def _metadata_coded(held: Held, _number: int) -> Call:
    """As browsers ask for it."""
    return _metadata_of(held.objects.cts, {**_JSON, "Accept-Encoding": "gzip"})


def _parts(request: Request, wanted: Sequence[bytes], *, copies: int = 1) -> Call:
    """A multipart answer whose parts end with what is wanted, in any order."""

    def check(found: Sequence[Answer]) -> None:
        for answer in found:
            parts = answers.parts(answer)
            demand(len(parts) == len(wanted), f"{len(parts)} parts")
            ends = {part[-len(wanted[0]) :] for part in parts}
            demand(ends == set(wanted), "other bytes")

    return Call([request] * copies, check)


def _pixels_of(held: Held, index: int) -> bytes:
    return held.objects.pixels[index % len(held.objects.pixels)].tobytes()


def _instance(held: Held, number: int) -> Call:
    return _parts(Request(held.objects.cts.instance_path(number), AS_STORED), [_pixels_of(held, number)])


def _series(held: Held, _number: int) -> Call:
    wanted = [one.tobytes() for one in held.objects.pixels]
    return _parts(Request(held.objects.cts.path, AS_STORED), wanted)


def _stack_frames(held: Held, number: int, count: int) -> Call:
    frames = [(number * 7 + 3 * step) % held.objects.scale.stack_frames for step in range(count)]
    listed = ",".join(str(frame + 1) for frame in sorted(frames))
    path = f"{held.objects.stack.instance_path(0)}/frames/{listed}"
    return _parts(Request(path, _FRAMES), [_pixels_of(held, frame) for frame in frames])


def _frame(held: Held, number: int) -> Call:
    return _stack_frames(held, number, 1)


def _ten_frames(held: Held, number: int) -> Call:
    return _stack_frames(held, number, 10)


def _movie_frame(held: Held, number: int) -> Call:
    frame = 1 + number * 7919 % held.objects.scale.movie_frames
    path = f"{held.objects.movie.instance_path(0)}/frames/{frame}"
    return _parts(Request(path, _JPEG_FRAMES), [movie_frame(frame)])


def _eight_frames(held: Held, number: int) -> Call:
    path = f"{held.objects.cts.instance_path(number)}/frames/1"
    return _parts(Request(path, _FRAMES), [_pixels_of(held, number)], copies=8)


# --- rendered and transcoded -----------------------------------------------------------------------


def _rendered(path: str, side: int) -> Call:
    return Call([Request(path, _PICTURE)], lambda found: answers.picture(found[0], side))


def _rendered_first(held: Held, number: int) -> Call:
    return _rendered(f"{held.objects.cts.instance_path(number)}/rendered", held.objects.scale.side)


def _rendered_again(held: Held, _number: int) -> Call:
    return _rendered_first(held, 0)


def _rendered_frame(held: Held, number: int) -> Call:
    path = f"{held.objects.stack.instance_path(0)}/frames/{number + 1}/rendered"
    return _rendered(path, held.objects.scale.side)


def _transcoded(series: Series, held: Held, number: int, syntax: str, codec: Callable[[], Any]) -> Call:
    accept = {"Accept": f'multipart/related; type="application/dicom"; transfer-syntax={syntax}'}
    pixels = held.objects.pixels[number]

    def check(found: Sequence[Answer]) -> None:
        parts = answers.parts(found[0])
        demand(len(parts) == 1, f"{len(parts)} parts")
        answers.shows(parts[0], syntax, pixels)

    return Call([Request(series.instance_path(number), accept)], check, codec=codec)


def _to_jpeg_2000(held: Held, number: int) -> Call:
    pixels = held.objects.pixels[number]
    return _transcoded(
        held.objects.cts,
        held,
        number,
        JPEG_2000,
        lambda: imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True, numthreads=1),
    )


def _to_jpeg_ls(held: Held, number: int) -> Call:
    pixels = held.objects.pixels[number]
    return _transcoded(held.objects.cts, held, number, JPEG_LS, lambda: imagecodecs.jpegls_encode(pixels))


def _to_htj2k(held: Held, number: int) -> Call:
    pixels = held.objects.pixels[number]
    return _transcoded(
        held.objects.cts, held, number, HTJ2K, lambda: imagecodecs.htj2k_encode(pixels, reversible=True)
    )


def _from_jpeg_2000(held: Held, number: int) -> Call:
    encoded = imagecodecs.jpeg2k_encode(
        held.objects.pixels[number], level=0, codecformat="j2k", reversible=True
    )
    return _transcoded(
        held.objects.jpeg_2000,
        held,
        number,
        EXPLICIT,
        lambda: imagecodecs.jpeg2k_decode(encoded, numthreads=1),
    )


def _from_jpeg_ls(held: Held, number: int) -> Call:
    encoded = imagecodecs.jpegls_encode(held.objects.pixels[number])
    return _transcoded(
        held.objects.jpeg_ls, held, number, EXPLICIT, lambda: imagecodecs.jpegls_decode(encoded)
    )


# --- stores ----------------------------------------------------------------------------------------


def store_request(series: Series) -> Request:
    """STOW of the instances of a series."""
    return stow([data for _, data in series.instances])


def stow(objects: Sequence[bytes]) -> Request:
    """STOW of Part 10 objects in one request."""
    head = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join([piece for data in objects for piece in (head, data, b"\r\n")])
    return Request("/studies", _STORED, "POST", body + f"--{_BOUNDARY}--\r\n".encode())


def _store(series: Callable[[Objects], Series], held: Held, count: int, connections: int) -> Call:
    """New instances, as many in each of as many requests."""
    requests = [store_request(series(held.objects).again(count)) for _ in range(connections)]

    def check(found: Sequence[Answer]) -> None:
        for answer in found:
            answers.all_stored(answer, count)

    return Call(requests, check)


def _store_one(held: Held, _number: int) -> Call:
    return _store(lambda held: held.cts, held, 1, 1)


def _store_batches(held: Held, _number: int) -> Call:
    return _store(lambda held: held.cts, held, 50, 4)


def _store_stack(held: Held, _number: int) -> Call:
    return _store(lambda held: held.stack, held, 1, 1)


def _store_small(held: Held, _number: int) -> Call:
    return _store(lambda held: held.small, held, 1, 1)


def _store_small_batch(held: Held, _number: int) -> Call:
    return _store(lambda held: held.small, held, 50, 1)


def _slices(held: Held) -> int:
    return held.objects.scale.slices


def _compressed(held: Held) -> int:
    return held.objects.scale.compressed


def _stack(held: Held) -> int:
    return held.objects.scale.stack_frames


_CODEC = Reach(over_codec_ms=1)
# CPU of the server, and the rate.
_STORE, _SMALL = Reach(1.5, of_peer=2), Reach(1.0)

CASES = (
    Case("QIDO by Study UID", _by_uid, Reach(0.6), grows=True),
    Case("QIDO by PatientID", _by_patient, Reach(0.7), grows=True),
    Case("QIDO by accession number", _by_accession, Reach(0.7), grows=True),
    Case("QIDO name prefix, page of 25", _by_name, Reach(1.5), grows=True),
    Case("QIDO date range, page of 25", _by_date, Reach(1.5), grows=True),
    Case("QIDO offset page of 25", _offset_page, Reach(1.5), grows=True),
    Case("QIDO page 1,000 of 25, by offset", _deep_page),
    Case("QIDO page 1,000 of 25, by link", _deep_page_by_link, Reach(1.5), grows=True),
    Case("QIDO ModalitiesInStudy + date", _by_modality, Reach(2), grows=True),
    Case("series metadata, 200 instances, first time", _metadata_first, Reach(5), burst=1, grows=True),
    Case("series metadata, 200 instances, again", _metadata_again, Reach(0.6), grows=True),
    Case("series metadata, 200 instances, again, gzip", _metadata_coded, Reach(0.6)),
    Case("one 0.53 MB instance", _instance, Reach(0.8), grows=True),
    Case("series of 200, 106 MB", _series, Reach(of_limit=0.6)),
    Case("one frame of 300 (0.5 MB)", _frame, Reach(0.7), grows=True),
    Case("ten frames in one request", _ten_frames, Reach(3)),
    Case("one frame of 20,000 (4 KB)", _movie_frame),
    Case("eight frames at once", _eight_frames, unit="frame", units=8),
    Case("rendered JPEG 512², first", _rendered_first, Reach(4), burst=5, most=_slices),
    Case("rendered JPEG 512², again", _rendered_again, Reach(0.5)),
    Case("rendered frame of a multi-frame", _rendered_frame, Reach(6), burst=5, most=_stack),
    Case("STOW 0.53 MB CT, singly", _store_one, _STORE, Limit.DISK, "instance", grows=True),
    Case("STOW 0.53 MB CT, 4 x batches of 50", _store_batches, _STORE, Limit.DISK, "instance", 200, burst=1),
    Case("STOW one 157 MB multi-frame", _store_stack, Reach(300), Limit.DISK, "instance", burst=1),
    Case("STOW small, singly", _store_small, _SMALL, Limit.DISK, "instance", grows=True),
    Case("STOW small, batches of 50", _store_small_batch, _SMALL, Limit.DISK, "instance", 50, grows=True),
    Case("CT slice to JPEG 2000", _to_jpeg_2000, _CODEC, Limit.CODEC, burst=3, most=_slices),
    Case("CT slice to JPEG-LS", _to_jpeg_ls, _CODEC, Limit.CODEC, burst=3, most=_slices),
    Case("CT slice to HTJ2K", _to_htj2k, _CODEC, Limit.CODEC, burst=3, most=_slices),
    Case("JPEG 2000 to explicit", _from_jpeg_2000, _CODEC, Limit.CODEC, burst=3, most=_compressed),
    Case("JPEG-LS to explicit", _from_jpeg_ls, _CODEC, Limit.CODEC, burst=3, most=_compressed),
)
