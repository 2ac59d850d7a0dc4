"""STOW-RS of pixels, pictures, documents and video as bulkdata parts (S-07 to S-10)."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import orjson
import pytest
from PIL import Image

from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, RLE_LOSSLESS
from tests.builders import SECONDARY_CAPTURE, make_dataset, new_uid
from tests.web.conftest import Client
from tests.web.uploads import (
    FOUR,
    JSON,
    OCTETS,
    bulk,
    element,
    failures,
    frame,
    is_stored,
    make_metadata,
    path_of,
    pixel_description,
    related,
    store_metadata,
    stored,
    transfer_syntax,
)

# --- compressed pixels (S-07, S-08) --------------------------------------------------------------------

GREY = (np.arange(64 * 48) % 251).astype("u1").reshape(48, 64)
GREY_16 = (np.arange(64 * 48) * 7 % 4096).astype("<u2").reshape(48, 64)
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)


def jpeg_2000(pixels: Any, form: str) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(pixels, codecformat=form, reversible=True))


@pytest.mark.parametrize(
    ("media_type", "codestream", "syntax", "photometric"),
    [
        ("image/jpeg", imagecodecs.jpeg8_encode(GREY), "50", "MONOCHROME2"),
        ("image/jpeg", imagecodecs.jpeg8_encode(COLOUR), "50", "YBR_FULL_422"),
        ("image/jpeg", imagecodecs.ljpeg_encode(GREY_16), "57", "MONOCHROME2"),
        ("image/jls", imagecodecs.jpegls_encode(GREY_16), "80", "MONOCHROME2"),
        (
            "image/jp2",
            imagecodecs.jpeg2k_encode(GREY_16, codecformat="j2k", reversible=True),
            "90",
            "MONOCHROME2",
        ),
        ("image/jp2", imagecodecs.jpeg2k_encode(COLOUR, codecformat="jp2", reversible=True), "90", "YBR_RCT"),
        ("image/jphc", imagecodecs.htj2k_encode(GREY_16), "201", "MONOCHROME2"),
        ("image/jxl", imagecodecs.jpegxl_encode(COLOUR, lossless=True), "112", "RGB"),
        ("image/jxl", imagecodecs.jpegxl_encode(GREY_16, lossless=True), "112", "MONOCHROME2"),
        (OCTETS, imagecodecs.jpegls_encode(GREY_16), "80", "MONOCHROME2"),
    ],
)
def test_an_image_tells_what_it_is(
    client: Client, media_type: str, codestream: bytes, syntax: str, photometric: str
) -> None:
    attributes = make_metadata(sop_class=SECONDARY_CAPTURE, pixels="p")
    response = store_metadata(client, [attributes], [bulk("p", media_type, codestream)])
    assert response.status_code == 200, response.text
    assert transfer_syntax(client, attributes) == FOUR + syntax
    found = stored(client, attributes)
    assert (found["00280010"]["Value"], found["00280011"]["Value"]) == ([48], [64])
    assert found["00280004"]["Value"] == [photometric]
    bits = 16 if photometric == "MONOCHROME2" and syntax != "50" else 8
    assert found["00280100"]["Value"] == [bits]
    assert len(frame(client, attributes)) == 48 * 64 * (bits // 8) * found["00280002"]["Value"][0]


def test_frames_come_as_parts_of_one_location_in_their_order(client: Client) -> None:
    frames = [imagecodecs.jpegls_encode(GREY_16 + at) for at in range(5)]
    attributes = make_metadata(pixels="frames")
    given = [bulk("frames", "image/jls; transfer-syntax=1.2.840.10008.1.2.4.80", one) for one in frames]
    assert store_metadata(client, [attributes], given).status_code == 200
    assert stored(client, attributes)["00280008"]["Value"] == [5]
    for number, one in enumerate(frames, 1):
        got = frame(client, attributes, number, "image/jls")
        assert got.rstrip(b"\0") == one.rstrip(b"\0")


def test_frames_may_have_locations_of_their_own(client: Client) -> None:
    frames = [imagecodecs.jpegls_encode(GREY + at) for at in range(11)]
    attributes = make_metadata(pixels="b/7FE00010")
    given = [bulk(f"b/7FE00010/frames/{at + 1}", "image/jls", one) for at, one in enumerate(frames)]
    assert store_metadata(client, [attributes], reversed(given)).status_code == 200
    assert frame(client, attributes, 11) == (GREY + 10).tobytes()


def test_an_encapsulated_value_may_come_with_its_items(client: Client) -> None:
    frames = [imagecodecs.jpegls_encode(GREY + at) for at in range(2)]
    frames = [one + b"\0" * (len(one) % 2) for one in frames]
    items = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(one)) + one for one in [b"", *frames])
    attributes = make_metadata(pixels="p", x00280008=element("IS", 2)) | pixel_description(48, 64, 8)
    part = bulk("p", f"{OCTETS}; transfer-syntax={FOUR}80", items + b"\xfe\xff\xdd\xe0\0\0\0\0")
    assert store_metadata(client, [attributes], [part]).status_code == 200
    assert frame(client, attributes, 2) == (GREY + 1).tobytes()


@pytest.mark.parametrize("metadata_syntax", [EXPLICIT_LITTLE, f"{FOUR}50", ""])
def test_what_metadata_says_of_its_own_encoding_does_not_make_an_image_native(
    client: Client, metadata_syntax: str
) -> None:
    attributes = make_metadata(pixels="p") | pixel_description(48, 64, 8)
    parameter = f"; transfer-syntax={metadata_syntax}" if metadata_syntax else ""
    body = related(
        ({"Content-Type": JSON + parameter}, orjson.dumps([attributes])),
        bulk("p", "image/jpeg", imagecodecs.jpeg8_encode(GREY)),
    )
    headers = {"Content-Type": f'multipart/related; type="{JSON}"; boundary=BOUNDARY'}
    assert client.request("POST", "/studies", content=body, headers=headers).status_code == 200
    assert transfer_syntax(client, attributes) == FOUR + "50"


@pytest.mark.parametrize("rows", [48, 600])
def test_what_pydicom_writes_as_json_is_stored(client: Client, rows: int) -> None:
    """It gives encapsulated pixel data inline, items and all."""
    syntax = f"{FOUR}80"
    pixels = np.random.default_rng(5).integers(0, 100, (rows, 600), dtype="u1")
    codestream = bytes(imagecodecs.jpegls_encode(pixels))
    options: dict[str, Any] = {"rows": rows, "columns": 600, "bits_allocated": 8}
    for made, uid in (
        (make_dataset(transfer_syntax_uid=syntax, codestreams=[codestream], **options), syntax),
        (make_dataset(pixels=pixels.tobytes(), **options), EXPLICIT_LITTLE),
    ):
        response = client.request(
            "POST", "/studies", content=made.to_json(), headers={"Content-Type": "application/dicom+json"}
        )
        assert response.status_code == 200, response.text
        attributes = orjson.loads(made.to_json())
        assert transfer_syntax(client, attributes) == uid
        assert frame(client, attributes) == pixels.tobytes()


def test_run_length_frames_are_told_by_their_media_type(client: Client) -> None:
    segment = imagecodecs.packbits_encode(GREY.tobytes())
    codestream = struct.pack("<16I", 1, 64, *[0] * 14) + segment
    attributes = make_metadata(pixels="p") | pixel_description(48, 64, 8)
    response = store_metadata(client, [attributes], [bulk("p", "image/dicom-rle", codestream)])
    assert response.status_code == 200, response.text
    assert transfer_syntax(client, attributes) == RLE_LOSSLESS
    assert frame(client, attributes) == GREY.tobytes()


@pytest.mark.parametrize("uri", ["p", "pixel data as it was made"])
def test_an_icon_does_not_take_the_pixels_of_its_image(client: Client, uri: str) -> None:
    codestream = bytes(imagecodecs.jpegls_encode(GREY))
    icon = pixel_description(48, 64, bits=8) | {"7FE00010": {"vr": "OB", "BulkDataURI": uri}}
    attributes = make_metadata(pixels="p", x00880200={"vr": "SQ", "Value": [icon]})
    response = store_metadata(client, [attributes], [bulk("p", "image/jls", codestream)])
    if response.status_code == 200:
        assert frame(client, attributes, accept="image/jls") == codestream + b"\0" * (len(codestream) % 2)
    else:
        assert (len(failures(response)), is_stored(client, attributes)) == (1, False)


# --- pictures (S-09) -----------------------------------------------------------------------------------


def picture(pixels: Any, form: str, mode: str = "", **options: Any) -> bytes:
    made = Image.fromarray(pixels)
    file = BytesIO()
    (made.convert(mode) if mode else made).save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("media_type", "file", "expected", "photometric"),
    [
        ("image/png", picture(GREY, "PNG"), GREY, "MONOCHROME2"),
        ("image/png", picture(COLOUR, "PNG"), COLOUR, "RGB"),
        ("image/png", picture(COLOUR, "PNG", "RGBA"), COLOUR, "RGB"),
        ("image/png", imagecodecs.png_encode(GREY_16), GREY_16, "MONOCHROME2"),
        ("image/bmp", picture(COLOUR, "BMP"), COLOUR, "RGB"),
        ("image/gif", picture(GREY, "GIF"), GREY, "MONOCHROME2"),
        ("image/png", picture(GREY > 100, "PNG"), (GREY > 100).astype("u1") * 255, "MONOCHROME2"),
    ],
)
def test_a_picture_becomes_native_pixels(
    client: Client, media_type: str, file: bytes, expected: Any, photometric: str
) -> None:
    attributes = make_metadata(sop_class=SECONDARY_CAPTURE, pixels="p")
    response = store_metadata(client, [attributes], [bulk("p", media_type, file)])
    assert response.status_code == 200, response.text
    found = stored(client, attributes)
    assert found["00280004"]["Value"] == [photometric]
    assert found["00280100"]["Value"] == [8 * expected.dtype.itemsize]
    assert transfer_syntax(client, attributes) == EXPLICIT_LITTLE
    assert frame(client, attributes) == expected.tobytes()


def test_an_animation_becomes_frames(client: Client) -> None:
    frames = [Image.fromarray(np.roll(COLOUR, at * 5, axis=1)) for at in range(4)]
    file = BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    attributes = make_metadata(sop_class=SECONDARY_CAPTURE, pixels="p")
    assert store_metadata(client, [attributes], [bulk("p", "image/gif", file.getvalue())]).status_code == 200
    assert stored(client, attributes)["00280008"]["Value"] == [4]
    assert frame(client, attributes, 1) != frame(client, attributes, 4)


def test_a_picture_that_is_none_fails_alone(client: Client) -> None:
    study = new_uid()
    good = make_metadata(study=study, pixels="good") | pixel_description(3, 4)
    bad, colour = (make_metadata(study=study, pixels=name) for name in ("bad", "colour"))
    colour["00280002"] = element("US", 1)
    response = store_metadata(
        client,
        [bad, good, colour],
        [
            bulk("bad", "image/png", b"\x89PNG\r\n\x1a\nnothing"),
            bulk("good", OCTETS, bytes(24)),
            bulk("colour", "image/png", picture(COLOUR, "PNG")),
        ],
    )
    assert response.status_code == 202
    assert {uid for uid, _, _ in failures(response)} == {one["00080018"]["Value"][0] for one in (bad, colour)}
    assert is_stored(client, good)


# --- documents and video (S-07, S-10) ------------------------------------------------------------------


@pytest.mark.parametrize("media_type", ["application/pdf", "text/xml", "model/stl"])
def test_a_document_gets_its_type_and_length(client: Client, media_type: str) -> None:
    attributes = make_metadata(sop_class="1.2.840.10008.5.1.4.1.1.104.1")
    attributes["00420011"] = {"vr": "OB", "BulkDataURI": "document"}
    document = b"%PDF-1.4 of odd length." * 200 + b"!"
    assert store_metadata(client, [attributes], [bulk("document", media_type, document)]).status_code == 200
    found = stored(client, attributes)
    assert found["00420012"]["Value"] == [media_type]
    assert found["00420015"]["Value"] == [len(document)]
    assert client.get(path_of(attributes) + "/bulkdata/00420011").content == document


def test_a_video_tells_what_it_is(client: Client, data_dir: Any) -> None:
    from pydicom import dcmread
    from pydicom.encaps import generate_fragments

    for name, media_type, syntax in (
        ("video_h264_hp41", "video/mp4", "102"),
        ("video_hevc_main51", "video/H265", "107"),
        ("video_mpeg2_mpml", "video/mpeg", "100"),
    ):
        video = b"".join(generate_fragments(dcmread(data_dir / "derived" / f"{name}.dcm").PixelData))
        attributes = make_metadata(sop_class="1.2.840.10008.5.1.4.1.1.77.1.1.1", pixels="v")
        response = store_metadata(client, [attributes], [bulk("v", media_type, video)])
        assert response.status_code == 200, response.text
        assert transfer_syntax(client, attributes) == FOUR + syntax
        found = stored(client, attributes)
        assert found["00280008"]["Value"][0] > 1
        assert found["00280004"]["Value"] == ["YBR_PARTIAL_420"]
        got = client.get(found["7FE00010"]["BulkDataURI"], f"{media_type}; transfer-syntax=*").content
        assert got.rstrip(b"\0") == video.rstrip(b"\0")


@pytest.mark.parametrize("small_part_bytes", [4 << 20, 1000])
def test_a_description_of_other_pixels_is_stored_with_a_warning(
    make_client: Any, small_part_bytes: int
) -> None:
    client = make_client(small_part_bytes=small_part_bytes)
    study = new_uid()
    right, wrong = (make_metadata(study=study, pixels="p") for _ in range(2))
    right |= pixel_description(48, 64, bits=8)
    wrong |= pixel_description(999, 999, bits=8)
    part = bulk("p", "image/jpeg", imagecodecs.jpeg8_encode(GREY))
    response = store_metadata(client, [wrong, right], [part])
    assert response.status_code == 202
    reasons = {
        item["00081155"]["Value"][0]: item.get("00081196", {}).get("Value")
        for item in response.json()["00081199"]["Value"]
    }
    assert reasons == {wrong["00080018"]["Value"][0]: [0xB007], right["00080018"]["Value"][0]: None}
    assert "do not match the first frame" in response.headers["warning"]


def test_what_is_called_a_video_and_is_none_fails_alone(client: Client) -> None:
    good, plain, stated = make_metadata(), make_metadata(pixels="p"), make_metadata(pixels="s")
    syntax = "video/mp4; transfer-syntax=" + FOUR + "102"
    given = [bulk("p", "video/mp4", b"xxxx" * 100), bulk("s", syntax, b"xxxx" * 100)]
    response = store_metadata(client, [plain, good, stated], given)
    assert response.status_code == 202
    assert len(failures(response)) == 2
    assert is_stored(client, good)


@pytest.mark.parametrize("header", ["Content-Transfer-Encoding", "Content-Encoding"])
def test_parts_with_a_coding_are_refused_with_the_cause(client: Client, header: str) -> None:
    attributes = make_metadata(pixels="p") | pixel_description(3, 4)
    headers, data = bulk("p", OCTETS, bytes(24))
    for coding, status in (("binary" if "T" in header[8:] else "identity", 200), ("base64", 409)):
        response = store_metadata(client, [attributes], [({**headers, header: coding}, data)])
        assert response.status_code == status, response.text
    assert any(header in sentence for _, _, sentence in failures(response))


def test_any_value_may_be_bulkdata(client: Client) -> None:
    attributes = make_metadata(x00282000={"vr": "OB", "BulkDataURI": "icc"})
    attributes["00104000"] = {"vr": "LT", "BulkDataURI": "text"}
    given = [bulk("icc", OCTETS, b"profile" * 400), bulk("text", "text/plain", b"A long story. " * 2000)]
    assert store_metadata(client, [attributes], given).status_code == 200
    found = stored(client, attributes)
    icc = client.get(found["00282000"]["BulkDataURI"]).content
    assert icc.rstrip(b"\0") == b"profile" * 400
