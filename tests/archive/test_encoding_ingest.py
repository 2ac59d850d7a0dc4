"""Native images stored in another transfer syntax: nothing that came is lost, and a resend is known."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames

from dicomweb.archive import proven_encoding
from dicomweb.archive.archive import Archive, open_archive
from dicomweb.archive.encoding_ingest import ingest_into
from dicomweb.archive.import_here import ThisArchive
from dicomweb.archive.reading import read_body
from dicomweb.archive.represent import part10
from dicomweb.archive.source_files import SourceFile, find_files
from dicomweb.archive.spool import Spool
from dicomweb.archive.verify import Verification
from dicomweb.catalog.audit import all_instances
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    HTJ2K_RPCL,
    IMPLICIT_LITTLE,
    JPEG_LOSSLESS,
    TRANSFER_SYNTAXES,
)
from dicomweb.errors import DecodeFailed, InvalidDicom, Unavailable
from dicomweb.pixels.codecs import decode_frame
from dicomweb.pixels.encodable import ENCODABLE, can_encode
from dicomweb.pixels.encoders import encode_frame
from dicomweb.pixels.same_frame import same_frame_job, same_frame_parameters
from dicomweb.protocol.store_report import StoreOutcome
from dicomweb.settings import INGEST_SYNTAXES, Settings
from tests.archive.real import empty
from tests.builders import BASIC_TEXT_SR, MULTIFRAME_GRAYSCALE_WORD, make_instance, new_uid
from tests.pixels.samples import layout_of, make_layout

T = TypeVar("T")
DUPLICATE = 0x0111


def run(url: str, directory: Path, scenario: Callable[[Archive], Awaitable[T]], **options: Any) -> T:
    given: dict[str, Any] = {"ingest_syntax": HTJ2K_RPCL, "min_free_bytes": 0, **options}
    settings = Settings(data=directory, database_url=url, **given)

    async def opened() -> T:
        async with open_archive(settings) as archive:
            await empty(archive)
            found = await scenario(archive)
            check = Verification(archive, grace=timedelta(0))
            assert [finding async for finding in check.findings()] == []
            return found

    return asyncio.run(opened())


async def store(archive: Archive, *parts: bytes, duplicates: str = "") -> Sequence[StoreOutcome]:
    ingest = ingest_into(archive, duplicates=duplicates)
    for part in parts:
        for begin in range(0, len(part), 5000):
            await ingest.write(part[begin : begin + 5000])
        await ingest.end_part()
    return await ingest.finish()


async def sources(archive: Archive) -> list[InstanceSource]:
    return [source async for page in all_instances(archive.pool) for source in page]


async def file_of(archive: Archive, source: InstanceSource, uid: str = "") -> bytes:
    """The instance as it is stored, or in a transfer syntax."""
    body = part10(archive, source, as_stored=not uid, transfer_syntax_uid=uid)
    return b"".join([chunk async for chunk in read_body(archive, body)])


async def only(archive: Archive, part: bytes) -> tuple[str, bytes]:
    """Store it; returns what transfer syntax it is stored in, and the stored file."""
    outcomes = await store(archive, part)
    assert [one.failure_reason for one in outcomes] == [None]
    (source,) = await sources(archive)
    return source.transfer_syntax_uid, await file_of(archive, source)


COLOUR = {"samples_per_pixel": 3, "bits_allocated": 8}
IMAGES: dict[str, dict[str, Any]] = {
    "explicit": {},
    "implicit": {"transfer_syntax_uid": IMPLICIT_LITTLE},
    "big endian": {"transfer_syntax_uid": EXPLICIT_BIG},
    "frames": {"frames": 7, "sop_class_uid": MULTIFRAME_GRAYSCALE_WORD},
    "signed": {
        "pixel_representation": 1,
        "bits_stored": 12,
        "pixels": np.arange(-50, 50).astype("<i2").tobytes(),
    },
    "colour": COLOUR,
    "colour by plane": COLOUR | {"planar_configuration": 1},
    "bits": {"frames": 5, "bits_allocated": 1, "rows": 5, "columns": 7},
    "odd bytes": {"bits_allocated": 8, "rows": 3, "columns": 5},
}


SIZE: dict[str, Any] = {"rows": 10, "columns": 10, "attributes": {"PatientComments": "x" * 3000}}


@pytest.mark.parametrize("uid", INGEST_SYNTAXES)
def test_native_images_are_encoded_and_come_back_as_they_were(
    database_url: str, tmp_path: Path, uid: str
) -> None:
    images = [make_instance(**SIZE | options) for options in IMAGES.values()]

    async def scenario(archive: Archive) -> dict[str, tuple[bytes, bytes]]:
        assert all(one.failure_reason is None for one in await store(archive, *images))
        return {
            source.target.instance or "": (
                await file_of(archive, source),
                await file_of(archive, source, EXPLICIT_LITTLE),
            )
            for source in await sources(archive)
        }

    found = run(database_url, tmp_path, scenario, ingest_syntax=uid)
    for name, came in zip(IMAGES, map(read, images), strict=True):
        stored, given = map(read, found[came.SOPInstanceUID])
        if name == "bits" and not can_encode(layout_of(came, encapsulated=False), uid):
            assert stored == came
            continue
        assert stored.file_meta.TransferSyntaxUID == uid
        frames = list(
            generate_frames(stored.PixelData, number_of_frames=int(came.get("NumberOfFrames") or 1))
        )
        assert all(decode_frame(frame, layout_of(stored), uid) for frame in frames)
        assert np.array_equal(given.pixel_array, came.pixel_array)
        for dataset in (came, given):
            del dataset.PixelData
            if "PlanarConfiguration" in dataset:
                del dataset.PlanarConfiguration
        assert given == came


def read(data: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(data))


PIXELS = b"".join(value.to_bytes(2, "little") for value in range(100))
ENCODED = encode_frame(PIXELS, make_layout(10, 10, bits=16, encapsulated=False), JPEG_LOSSLESS)
OTHERS: dict[str, dict[str, Any]] = {
    "no image": {"with_pixels": False, "sop_class_uid": BASIC_TEXT_SR},
    "compressed": {"transfer_syntax_uid": JPEG_LOSSLESS, "codestreams": [ENCODED]},
    "deflated": {"transfer_syntax_uid": DEFLATED_EXPLICIT_LITTLE},
    "a TIFF too": {"preamble": b"II*\0" + bytes(124)},
    "bytes behind the last frame": {"pixels": PIXELS + b"more"},
    "too few pixels": {"pixels": PIXELS[:-20]},
}


def test_anything_else_is_stored_as_it_came(database_url: str, tmp_path: Path) -> None:
    came = {name: make_instance(**SIZE | options) for name, options in OTHERS.items()}

    async def scenario(archive: Archive) -> set[bytes]:
        assert all(one.failure_reason is None for one in await store(archive, *came.values()))
        return {await file_of(archive, source) for source in await sources(archive)}

    assert run(database_url, tmp_path, scenario) == set(came.values())


def test_what_is_no_instance_is_refused_as_ever(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        outcomes = await store(archive, b"", b"no DICOM at all", make_instance())
        assert sorted(one.failure_reason is None for one in outcomes) == [False, False, True]

    run(database_url, tmp_path, scenario)


def test_an_image_beyond_the_memory_of_a_worker_is_stored_as_it_came(
    database_url: str, tmp_path: Path
) -> None:
    came = make_instance(rows=600, columns=600)

    async def scenario(archive: Archive) -> str:
        return (await only(archive, came))[0]

    assert run(database_url, tmp_path, scenario, decode_memory=700_000) == EXPLICIT_LITTLE


def test_a_long_image_is_encoded_frame_by_frame(database_url: str, tmp_path: Path) -> None:
    came = make_instance(rows=64, columns=64, frames=40, sop_class_uid=MULTIFRAME_GRAYSCALE_WORD)

    async def scenario(archive: Archive) -> str:
        return (await only(archive, came))[0]

    assert run(database_url, tmp_path, scenario, small_part_bytes=100_000) == HTJ2K_RPCL


def test_a_resend_is_known_whatever_the_setting_is_by_then(database_url: str, tmp_path: Path) -> None:
    came = make_instance(rows=10, columns=10)

    async def scenario(archive: Archive) -> None:
        await store(archive, came, came)
        (before,) = await sources(archive)
        kept = await file_of(archive, before)
        for then in (HTJ2K_RPCL, "", JPEG_LOSSLESS):
            later = replace(archive, settings=replace(archive.settings, ingest_syntax=then))
            for part in (came, kept):  # what was sent, and what was given out
                (outcome,) = await store(later, part)
                assert outcome.failure_reason is None
        assert await sources(archive) == [before]

    run(database_url, tmp_path, scenario)


def test_what_was_stored_before_the_setting_is_known_too(database_url: str, tmp_path: Path) -> None:
    came = make_instance(rows=10, columns=10)

    async def scenario(archive: Archive) -> None:
        await store(replace(archive, settings=replace(archive.settings, ingest_syntax="")), came)
        (outcome,) = await store(archive, came)
        assert outcome.failure_reason is None
        assert [one.transfer_syntax_uid for one in await sources(archive)] == [EXPLICIT_LITTLE]

    run(database_url, tmp_path, scenario)


def test_other_content_is_still_other_content(database_url: str, tmp_path: Path) -> None:
    uid: dict[str, Any] = {
        "sop_instance_uid": new_uid(),
        "study_instance_uid": new_uid(),
        "series_instance_uid": new_uid(),
    }
    first, other = make_instance(rows=10, columns=10, **uid), make_instance(rows=11, columns=10, **uid)

    async def scenario(archive: Archive) -> None:
        await store(archive, first)
        assert [one.failure_reason for one in await store(archive, other)] == [DUPLICATE]
        await store(archive, first, other, first, duplicates="replace")
        *_old, source = await sources(archive)
        assert source.pixel_layout is not None
        assert source.pixel_layout.rows == 10

    run(database_url, tmp_path, scenario)


def test_an_upload_that_is_given_up_leaves_nothing(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        ingest, free = ingest_into(archive), archive.uploads.free
        for _ in range(3):
            await ingest.write(make_instance(rows=50, columns=50))
            await ingest.end_part()
        await ingest.write(b"the beginning of another")
        await ingest.abort()
        assert archive.uploads.free == free
        assert await sources(archive) == []

    run(database_url, tmp_path, scenario)


def test_a_disk_that_is_nearly_full_costs_no_memory(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        ingest, free = ingest_into(archive), archive.uploads.free
        await ingest.write(make_instance(rows=50, columns=50))
        with pytest.raises(Unavailable):
            await ingest.end_part()
        await ingest.abort()
        assert archive.uploads.free == free

    run(database_url, tmp_path, scenario, min_free_bytes=1 << 60)


def test_a_part_that_fails_takes_no_other_with_it(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        ingest = ingest_into(archive)
        await ingest.write(make_instance(rows=20, columns=20))
        await ingest.end_part()
        await ingest.write(b"a part that")
        await ingest.fail_part(InvalidDicom("It turned out so."))
        ingest.refuse_part(InvalidDicom("This too."))
        outcomes = await ingest.finish()
        assert sorted(one.failure_reason is None for one in outcomes) == [False, False, True]
        assert len(await sources(archive)) == 1

    run(database_url, tmp_path, scenario)


def test_an_import_knows_what_it_brought(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "one.dcm").write_bytes(make_instance(rows=20, columns=20))
    (tmp_path / "data").mkdir()

    async def scenario(archive: Archive) -> None:
        files = [one for one in find_files([tmp_path / "files"]) if isinstance(one, SourceFile)]
        destination = ThisArchive(archive)
        assert await destination.present(files) == set()
        await destination.send(files)
        assert [one.transfer_syntax_uid for one in await sources(archive)] == [HTJ2K_RPCL]
        assert await destination.present(files) == {tmp_path / "files" / "one.dcm"}

    run(database_url, tmp_path / "data", scenario)


def test_the_proof_fails_where_one_value_differs() -> None:
    native = make_layout(10, 10, bits=16, encapsulated=False)
    encoded = make_layout(10, 10, bits=16)
    parameters = same_frame_parameters(encoded, JPEG_LOSSLESS, native)
    assert same_frame_job(parameters, [ENCODED, PIXELS]) == b""
    with pytest.raises(DecodeFailed):
        same_frame_job(parameters, [ENCODED, PIXELS[:-1] + b"\1"])


LONG: dict[str, Any] = {
    "ICCProfile": bytes(range(250)) * 2000,
    "RedPaletteColorLookupTableData": bytes(3000) + b"\1\2",
}


@pytest.mark.parametrize("uid", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG])
@pytest.mark.parametrize("place", [None, 1, 300_000])
def test_the_proof_fails_where_a_byte_of_a_long_value_differs(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: str, place: int | None
) -> None:
    write, marked = proven_encoding._write, LONG["ICCProfile"][:300]

    async def spoils(archive: Archive, source: InstanceSource, uid: str, made: Spool) -> None:
        await write(archive, source, uid, made)
        if place is not None:
            made._file.write(b"!", made.read(0, made.size).index(marked) + place)

    monkeypatch.setattr(proven_encoding, "_write", spoils)
    came = make_instance(rows=10, columns=10, transfer_syntax_uid=uid, attributes=LONG)

    async def scenario(archive: Archive) -> None:
        syntax, stored = await only(archive, came)
        assert (syntax == HTJ2K_RPCL) == (place is None)
        assert (stored == came) == (place is not None)

    run(database_url, tmp_path, scenario)


def test_every_syntax_of_the_setting_can_be_written_and_loses_nothing() -> None:
    assert set(INGEST_SYNTAXES) <= ENCODABLE
    assert not any(TRANSFER_SYNTAXES[uid].lossy for uid in INGEST_SYNTAXES)
