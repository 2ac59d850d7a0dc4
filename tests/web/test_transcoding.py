"""Transcoding through the whole application: every syntax offered, its attributes and its offset table."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames

from dicomweb.archive import single_frame
from dicomweb.dicom import fragments
from dicomweb.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_LITTLE,
    DEFLATED_FRAMES,
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    RLE_LOSSLESS,
)
from dicomweb.dicom.write import with_transfer_syntax
from dicomweb.pixels.codecs import decode_frame
from tests.builders import MULTIFRAME_GRAYSCALE_WORD, make_instance, new_uid
from tests.pixels.samples import layout_of
from tests.web.conftest import BASE, Client, parts

FOUR = "1.2.840.10008.1.2.4."
JPEG, JPEG_EXTENDED, JPEG_LOSSLESS = FOUR + "50", FOUR + "51", FOUR + "70"
JLS, J2K, JXL_JPEG, HTJ2K = FOUR + "80", FOUR + "90", FOUR + "111", FOUR + "201"
LOSSLESS = [
    RLE_LOSSLESS, DEFLATED_FRAMES, ENCAPSULATED_UNCOMPRESSED, JPEG_LOSSLESS, JLS, FOUR + "81",
    J2K, FOUR + "91", FOUR + "110", FOUR + "112", HTJ2K, FOUR + "202", FOUR + "203",
]  # fmt: skip
PARTS = 'multipart/related; type="application/dicom"; transfer-syntax={}'


def path_of(data: bytes) -> str:
    dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    return (
        f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )


def stored(client: Client, **options: Any) -> str:
    """Store what make_instance makes; returns its path."""
    data = make_instance(**options)
    assert client.store(data).status_code == 200
    return path_of(data)


def got(client: Client, path: str, syntax: str) -> pydicom.Dataset:
    response = client.get(path, f"application/dicom; transfer-syntax={syntax}")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == f"application/dicom; transfer-syntax={syntax}"
    dataset = pydicom.dcmread(io.BytesIO(response.content))
    assert dataset.file_meta.TransferSyntaxUID == syntax
    return dataset


def frames_of(dataset: pydicom.Dataset) -> list[bytes]:
    """The fragments, each of which the Basic Offset Table must name."""
    count = int(dataset.get("NumberOfFrames") or 1)
    fragments, table = list(generate_frames(dataset.PixelData, number_of_frames=count)), dataset.PixelData
    (length,) = struct.unpack_from("<I", table, 4)
    assert length == 4 * count
    for offset in struct.unpack_from(f"<{count}I", table, 8):
        assert table[8 + length + offset :].startswith(b"\xfe\xff\x00\xe0")
    return fragments


def native(dataset: pydicom.Dataset) -> bytes:
    """All frames, decoded."""
    uid = dataset.file_meta.TransferSyntaxUID
    return b"".join(decode_frame(frame, layout_of(dataset), uid) for frame in frames_of(dataset))


KINDS: dict[str, dict[str, Any]] = {
    "16 bit, three frames": {
        "rows": 17, "columns": 31, "frames": 3, "bits_stored": 12, "sop_class_uid": MULTIFRAME_GRAYSCALE_WORD,
        "pixels": (np.arange(3 * 17 * 31, dtype="<u2") % 4096).tobytes(),
    },
    "signed": {
        "rows": 9, "columns": 12, "pixel_representation": 1,
        "pixels": (np.arange(9 * 12) * 300 - 16000).astype("<i2").tobytes(),
    },
    "RGB": {"rows": 10, "columns": 6, "samples_per_pixel": 3, "bits_allocated": 8},
    "one column": {"rows": 11, "columns": 1, "bits_allocated": 8},
}  # fmt: skip


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_instance_is_encoded_without_loss(client: Client, kind: str, syntax: str) -> None:
    path = stored(client, **KINDS[kind])
    plain = got(client, path, EXPLICIT_LITTLE)
    coded = got(client, path, syntax)
    frames = native(coded)
    assert frames + bytes(len(frames) % 2) == plain.PixelData
    changed = {"PixelData", "PhotometricInterpretation"}
    assert {element.keyword for element in plain} ^ {element.keyword for element in coded} == set()
    assert {e.keyword for e in plain if e.keyword not in changed and coded[e.tag].value != e.value} == set()
    wavelet = syntax in (J2K, FOUR + "91", HTJ2K, FOUR + "202", FOUR + "203")
    if kind == "RGB":
        assert coded.PhotometricInterpretation == ("YBR_RCT" if wavelet else "RGB")


@pytest.mark.parametrize(
    "options",
    [
        {"samples_per_pixel": 3, "planar_configuration": 1, "bits_allocated": 8},
        {"bits_allocated": 1, "frames": 3},
    ],
    ids=["planes", "bits"],
)
@pytest.mark.parametrize("syntax", [RLE_LOSSLESS, J2K, DEFLATED_FRAMES])
def test_planes_and_bits_come_back_as_they_were(client: Client, options: dict[str, Any], syntax: str) -> None:
    path = stored(client, rows=8, columns=8, **options)
    plain, coded = got(client, path, EXPLICIT_LITTLE), got(client, path, syntax)
    frames = native(coded)
    if options["bits_allocated"] == 8 and coded.PlanarConfiguration == 0:
        frames = np.moveaxis(np.frombuffer(frames, np.uint8).reshape(8, 8, 3), -1, 0).tobytes()
    assert frames + bytes(len(frames) % 2) == plain.PixelData


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED_EXPLICIT_LITTLE, RLE_LOSSLESS])
def test_every_stored_syntax_can_be_encoded(client: Client, syntax: str) -> None:
    pixels = (np.arange(3 * 20 * 7, dtype="<u2") * 7).tobytes()
    options: dict[str, Any] = {
        "rows": 20,
        "columns": 7,
        "frames": 3,
        "sop_class_uid": MULTIFRAME_GRAYSCALE_WORD,
    }
    if syntax == RLE_LOSSLESS:
        plain = stored(client, pixels=pixels, **options)
        client_frames = frames_of(got(client, plain, RLE_LOSSLESS))
        path = stored(client, transfer_syntax_uid=syntax, codestreams=client_frames, **options)
    else:
        path = stored(client, transfer_syntax_uid=syntax, pixels=pixels, **options)
    assert native(got(client, path, JLS)) == pixels
    assert got(client, path, DEFLATED_EXPLICIT_LITTLE).PixelData == pixels
    ((headers, frame),) = parts(
        client.get(path + "/frames/3", f'multipart/related; type="image/jls"; transfer-syntax={JLS}')
    )
    assert headers["content-type"] == f"image/jls; transfer-syntax={JLS}"
    assert imagecodecs.jpegls_decode(frame).tobytes() == pixels[2 * 280 :]


@pytest.mark.parametrize(
    ("stored_as", "bits"),
    [
        *((syntax, 8) for syntax in (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, RLE_LOSSLESS, JPEG)),
        *((syntax, 16) for syntax in (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, RLE_LOSSLESS)),
    ],
)
def test_one_frame_in_one_piece_is_what_it_is_frame_by_frame(
    client: Client, monkeypatch: pytest.MonkeyPatch, stored_as: str, bits: int
) -> None:
    """A long object of one frame goes another way through the archive than a short one."""
    options: dict[str, Any] = {"rows": 16, "columns": 16, "bits_allocated": bits}
    if stored_as == JPEG:
        options["codestreams"] = [bytes(imagecodecs.jpeg8_encode(np.zeros((16, 16), np.uint8)))]
    elif stored_as == RLE_LOSSLESS:
        plain = stored(client, **options)
        options["codestreams"] = frames_of(got(client, plain, RLE_LOSSLESS))
    path = stored(client, transfer_syntax_uid=stored_as, **options)
    syntaxes = [EXPLICIT_LITTLE, JLS, J2K, RLE_LOSSLESS, DEFLATED_FRAMES, *([JPEG] if bits == 8 else [])]
    short = [got(client, path, syntax) for syntax in syntaxes]
    monkeypatch.setattr(single_frame, "_MOST_BYTES", 0)
    assert [got(client, path, syntax) for syntax in syntaxes] == short


def test_a_frame_is_what_the_instance_holds(client: Client) -> None:
    path = stored(client, **KINDS["16 bit, three frames"])
    fragments = frames_of(got(client, path, JLS))
    answer = parts(client.get(path + "/frames/3,1", 'multipart/related; type="image/jls"'))
    assert [fragments[2], fragments[0]] == [frame + bytes(len(frame) % 2) for _, frame in answer]
    assert [headers["content-location"] for headers, _ in answer] == [
        f"{BASE}{path}/frames/3", f"{BASE}{path}/frames/1",
    ]  # fmt: skip
    single = client.get(path + "/frames/2", "image/jls")
    assert single.content + bytes(len(single.content) % 2) == fragments[1]


def test_pixel_data_is_encoded_frame_by_frame(client: Client) -> None:
    """M-16."""
    path = stored(client, **KINDS["16 bit, three frames"])
    for resource in ("/bulkdata/7FE00010", "/pixeldata"):
        answer = parts(client.get(path + resource, 'multipart/related; type="image/jphc"'))
        assert [headers["content-type"] for headers, _ in answer] == [
            f"image/jphc; transfer-syntax={HTJ2K}"
        ] * 3
        assert len({frame for _, frame in answer}) == 3
    assert client.get(path + "/bulkdata/7FE00010", "image/jphc").status_code == 406


def test_lossy_pixels_say_so(client: Client) -> None:
    """W-13: the instance keeps its UID, and its former compressions stay in the list."""
    gradient = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    path = stored(
        client, rows=64, columns=64, bits_allocated=8, pixels=gradient.tobytes(),
        attributes={
            "LossyImageCompression": "01", "LossyImageCompressionRatio": "5.5",
            "LossyImageCompressionMethod": "ISO_15444_1",
        },
    )  # fmt: skip
    coded = got(client, path, JPEG)
    assert coded.SOPInstanceUID == path.rpartition("/")[2]
    assert coded.LossyImageCompression == "01"
    assert list(coded.LossyImageCompressionMethod) == ["ISO_15444_1", "ISO_10918_1"]
    first, ratio = coded.LossyImageCompressionRatio
    assert (first, ratio > 1) == (5.5, True)
    assert abs(int(np.frombuffer(native(coded), np.uint8).astype(int).max()) - gradient.max()) < 4
    assert client.get(path, "image/jpeg").status_code == 406
    lossless = client.get(path + "/frames/1", "image/jpeg")
    assert lossless.headers["content-type"] == f"image/jpeg; transfer-syntax={JPEG_LOSSLESS}"


def test_a_jpeg_comes_out_of_jpeg_xl_byte_for_byte(client: Client) -> None:
    jpeg = bytes(imagecodecs.jpeg8_encode(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64), level=80))
    jpeg += bytes(len(jpeg) % 2)  # the pad byte of its fragment is part of what is stored
    options: dict[str, Any] = {"rows": 64, "columns": 64, "bits_allocated": 8}
    path = stored(client, transfer_syntax_uid=JPEG, codestreams=[jpeg], **options)
    jxl = client.get(path + "/frames/1", f"image/jxl; transfer-syntax={JXL_JPEG}")
    assert jxl.status_code == 200
    assert bytes(imagecodecs.jpegxl_decode_jpeg(jxl.content, numthreads=1)) == jpeg
    data = make_instance(transfer_syntax_uid=JPEG, codestreams=[jxl.content], **options)
    end = 144 + int.from_bytes(data[140:144], "little")
    # pydicom does not know this syntax.
    relabelled = data[:132] + with_transfer_syntax(data[132:end], JXL_JPEG) + data[end:]
    assert client.store(relabelled).status_code == 200
    again = path_of(data)
    assert client.get(again + "/frames/1", f"image/jpeg; transfer-syntax={JPEG}").content == jpeg
    assert got(client, again, JPEG).PhotometricInterpretation == "MONOCHROME2"


def test_what_cannot_be_encoded_is_left_out_with_206(client: Client) -> None:
    """W-15, W-16, W-60: 8 bits go as JPEG, 16 bits do not, and what has no pixels does not mind."""
    study = new_uid()
    byte = stored(client, study_instance_uid=study, bits_allocated=8, rows=16, columns=16)
    word = stored(client, study_instance_uid=study)
    report = stored(client, study_instance_uid=study, with_pixels=False)
    response = client.get(f"/studies/{study}", PARTS.format(JPEG))
    assert response.status_code == 206
    assert response.headers["warning"].startswith("299 ")
    types = {headers["content-location"]: headers["content-type"] for headers, _ in parts(response)}
    assert types == {
        BASE + byte: f"application/dicom; transfer-syntax={JPEG}",
        BASE + report: f"application/dicom; transfer-syntax={EXPLICIT_LITTLE}",
    }
    refusal = client.get(word, f"application/dicom; transfer-syntax={JPEG}")
    assert refusal.status_code == 406
    assert f"application/dicom; transfer-syntax={JLS}" in refusal.json()["available"]
    assert client.get(word, f"application/dicom; transfer-syntax={FOUR}102").status_code == 406
    assert client.get(report, "application/dicom; transfer-syntax=1.2.3").status_code == 406


def test_a_study_is_transcoded_in_order(client: Client) -> None:
    study = new_uid()
    paths = [
        stored(
            client, study_instance_uid=study, series_instance_uid=study + ".1", rows=40, columns=40,
            attributes={"InstanceNumber": number}, pixels=np.full(1600, number, "<u2").tobytes(),
        )
        for number in range(1, 9)
    ]  # fmt: skip
    answer = parts(client.get(f"/studies/{study}", PARTS.format(JLS)))
    assert [headers["content-location"] for headers, _ in answer] == [BASE + path for path in paths]
    for number, (_, data) in enumerate(answer, 1):
        assert set(np.frombuffer(native(pydicom.dcmread(io.BytesIO(data))), "<u2")) == {number}


def test_one_bad_frame_does_not_cost_the_study(client: Client) -> None:
    """Invariant 7: what no codec takes comes as stored, and says so."""
    study = new_uid()
    good = stored(client, study_instance_uid=study)
    codestream = bytes(imagecodecs.jpeg2k_encode(np.zeros((4, 4), np.uint16), codecformat="J2K"))
    options = {"study_instance_uid": study, "transfer_syntax_uid": J2K}
    bad = stored(client, codestreams=[codestream[:60] + b"\xff" * 20], **options)
    for accept in ('multipart/related; type="application/dicom"', PARTS.format(JLS)):
        response = client.get(f"/studies/{study}", accept)
        assert response.status_code == 200
        types = {headers["content-location"]: headers["content-type"] for headers, _ in parts(response)}
        assert types[BASE + bad] == f"application/dicom; transfer-syntax={J2K}"
        assert types[BASE + good] != types[BASE + bad]
    values = client.get(f"/studies/{study}/pixeldata", 'multipart/related; type="application/octet-stream"')
    assert values.status_code == 200
    assert sorted(headers["content-type"] for headers, _ in parts(values)) == [
        f"application/octet-stream; transfer-syntax={EXPLICIT_LITTLE}",
        f"image/jp2; transfer-syntax={J2K}",
    ]
    for accept in ("application/dicom", f"application/dicom; transfer-syntax={JLS}"):
        assert client.get(bad, accept).status_code == 406
    assert client.get(bad + "/frames/1", "image/jls").status_code == 406
    assert client.get(bad, "application/dicom; transfer-syntax=*").status_code == 200


def test_each_form_has_its_own_tag(client: Client) -> None:
    path = stored(client)
    forms = [EXPLICIT_LITTLE, JLS, J2K]
    tags = [client.get(path, f"application/dicom; transfer-syntax={form}").headers["etag"] for form in forms]
    assert len(set(tags)) == 3
    again = client.get(path, f"application/dicom; transfer-syntax={JLS}", headers={"If-None-Match": tags[1]})
    assert (again.status_code, again.content) == (304, b"")


def settle(client: Client) -> None:
    """Wait until what was made is on the disk."""
    client._run(client.archive.derived.close())


@pytest.fixture
def cache(client: Client) -> Path:
    return client.archive.settings.data / "cache"


def test_what_was_made_is_kept_until_it_is_gone(client: Client, cache: Path) -> None:
    path = stored(client, rows=32, columns=32)
    settle(client)
    before = {file for file in cache.rglob("*") if file.is_file()}
    first = client.get(path + "/frames/1", "image/jp2")
    settle(client)
    made = {file for file in cache.rglob("*") if file.is_file()} - before
    assert len(made) == 1
    for content in (b"", first.content, b"torn" * 50):  # nothing of it is believed
        (file,) = made
        file.write_bytes(content)
        assert client.get(path + "/frames/1", "image/jp2").content == first.content
        settle(client)
    assert client.request("DELETE", path).status_code in (200, 204)
    assert client.get(path + "/frames/1", "image/jp2").status_code == 410


REAL = [
    "ts/cornerstone3D__CTImage.dcm_JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80.dcm",
    "odd/dcm4che__US-RGB-8-epicard",
    "modality/dcm4che__NM-MONO2-16-13x-heart",
]


@pytest.mark.parametrize("name", REAL)
def test_real_objects_are_encoded(client: Client, data_dir: Path, name: str) -> None:
    matches = sorted(data_dir.rglob(name.rpartition("/")[2]))
    assert matches, "not in the test data"
    client.store(matches[0].read_bytes())
    path = path_of(matches[0].read_bytes())
    plain = got(client, path, EXPLICIT_LITTLE)
    for syntax in (RLE_LOSSLESS, HTJ2K):
        coded = got(client, path, syntax)
        frames = native(coded)
        if plain.get("PlanarConfiguration") == 1 and coded.PlanarConfiguration == 0:
            size = plain.Rows, plain.Columns, 3
            frames = np.moveaxis(np.frombuffer(frames, np.uint8).reshape(size), -1, 0).tobytes()
        assert frames + bytes(len(frames) % 2) == plain.PixelData


def test_offsets_beyond_32_bits_go_into_the_extended_offset_table(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if 100 bytes were beyond 32 bits: our own index reads it back."""
    path = stored(client, **KINDS["16 bit, three frames"])
    plain = got(client, path, EXPLICIT_LITTLE).PixelData
    monkeypatch.setattr(fragments, "_LARGEST_OFFSET", 100)
    response = client.get(path, f"application/dicom; transfer-syntax={JLS}")
    monkeypatch.undo()
    coded = pydicom.dcmread(io.BytesIO(response.content))
    assert len(coded.ExtendedOffsetTable) == len(coded.ExtendedOffsetTableLengths) == 3 * 8
    assert coded.PixelData.startswith(b"\xfe\xff\x00\xe0\0\0\0\0")
    coded.SOPInstanceUID = coded.file_meta.MediaStorageSOPInstanceUID = new_uid()
    again = io.BytesIO()
    coded.save_as(again)
    assert client.store(again.getvalue()).status_code == 200
    decoded = got(client, path_of(again.getvalue()), EXPLICIT_LITTLE)
    assert decoded.PixelData == plain
    assert "ExtendedOffsetTable" not in decoded
    assert frames_of(got(client, path_of(again.getvalue()), RLE_LOSSLESS))
