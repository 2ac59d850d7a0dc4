"""STOW-RS with metadata and bulkdata (PS3.18 10.5.2), through the whole application."""

from __future__ import annotations

import struct
from base64 import b64encode
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import httpx
import imagecodecs
import numpy as np
import orjson
import pytest
from PIL import Image

from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, RLE_LOSSLESS
from tests.builders import CT_IMAGE, SECONDARY_CAPTURE, make_dataset, new_uid
from tests.web.conftest import Client, parts
from tests.web.uploads import JSON, XML, Part, bulk, metadata_parts, related, store_metadata

AS_STORED = "application/dicom; transfer-syntax=*"
OCTETS = "application/octet-stream"
_FOUR = "1.2.840.10008.1.2.4."


def element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


def pixel_description(rows: int, columns: int, bits: int = 16, samples: int = 1) -> dict[str, Any]:
    return {
        "00280002": element("US", samples),
        "00280004": element("CS", "MONOCHROME2" if samples == 1 else "RGB"),
        "00280010": element("US", rows),
        "00280011": element("US", columns),
        "00280100": element("US", bits),
        "00280101": element("US", bits),
        "00280102": element("US", bits - 1),
        "00280103": element("US", 0),
    }


def make_metadata(
    *, study: str = "", sop_class: str = CT_IMAGE, pixels: str = "", **more: dict[str, Any]
) -> dict[str, Any]:
    """A data set; pixels: its BulkDataURI."""
    attributes = {
        "00080016": element("UI", sop_class),
        "00080018": element("UI", new_uid()),
        "00080060": element("CS", "OT"),
        "00100010": element("PN", {"Alphabetic": "Müller^Jörg"}),
        "00100020": element("LO", "ID1"),
        "0020000D": element("UI", study or new_uid()),
        "0020000E": element("UI", new_uid()),
    }
    if pixels:
        attributes["7FE00010"] = {"vr": "OW", "BulkDataURI": pixels}
    return attributes | {tag.removeprefix("x"): value for tag, value in more.items()}


def path_of(attributes: dict[str, Any]) -> str:
    study, series, instance = (attributes[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
    return f"/studies/{study}/series/{series}/instances/{instance}"


def stored(client: Client, attributes: dict[str, Any]) -> dict[str, Any]:
    response = client.get(path_of(attributes) + "/metadata")
    assert response.status_code == 200
    (found,) = response.json()
    return dict(found)


def is_stored(client: Client, attributes: dict[str, Any]) -> bool:
    return client.get(path_of(attributes) + "/metadata").status_code == 200


def frame(client: Client, attributes: dict[str, Any], number: int = 1, accept: str = OCTETS) -> bytes:
    response = client.get(f"{path_of(attributes)}/frames/{number}", accept)
    assert response.status_code == 200, response.text
    return response.content


def transfer_syntax(client: Client, attributes: dict[str, Any]) -> str:
    response = client.get(path_of(attributes), AS_STORED)
    assert response.status_code == 200, response.text
    return response.headers["content-type"].partition("transfer-syntax=")[2]


def failures(response: httpx.Response) -> list[tuple[str, int, str]]:
    """UID where known, reason and sentence of each failed part."""
    found = []
    for tag in ("00081198", "0008119A"):
        for item in response.json().get(tag, {}).get("Value", []):
            uid = item.get("00081155", {}).get("Value", [""])[0]
            lines = [line["00000902"]["Value"][0] for line in item["00741048"]["Value"]]
            found.append((uid, item["00081197"]["Value"][0], " ".join(lines)))
    return found


PIXELS = np.arange(12, dtype="<u2").reshape(3, 4)


@pytest.mark.parametrize("form", [JSON, XML])
def test_native_pixels_come_as_octet_stream(client: Client, form: str) -> None:
    study = new_uid()
    first = make_metadata(study=study, pixels="bulk/1") | pixel_description(3, 4)
    second = make_metadata(study=study, pixels="bulk/2") | pixel_description(3, 4)
    second_pixels = PIXELS[::-1].tobytes()
    response = store_metadata(
        client,
        [first, second],
        [bulk("bulk/2", OCTETS, second_pixels), bulk("bulk/1", OCTETS, PIXELS.tobytes())],
        form=form,
        path=f"/studies/{study}",
    )
    assert response.status_code == 200, response.text
    assert (frame(client, first), frame(client, second)) == (PIXELS.tobytes(), second_pixels)
    assert transfer_syntax(client, first) == EXPLICIT_LITTLE
    found = stored(client, first)
    assert found["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    assert found["00080005"]["Value"] == ["ISO_IR 192"]


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("http://127.0.0.1:8080/dicomweb/studies/1/bulkdata/1", "studies/1/bulkdata/1"),
        ("/dicomweb/studies/1/bulkdata/1", "http://127.0.0.1:8080/dicomweb/studies/1/bulkdata/1"),
        ("a%20b", "a b"),
        ("urn:uuid:6b2", "urn:uuid:6b2"),
        ("cid:pixels@x", "cid:pixels@x"),
        ("http://[", "http://["),
    ],
)
def test_a_uri_is_compared_as_what_it_means(client: Client, uri: str, location: str) -> None:
    attributes = make_metadata(pixels=uri) | pixel_description(3, 4)
    response = store_metadata(client, [attributes], [bulk(location, OCTETS, PIXELS.tobytes())])
    assert response.status_code == 200, response.text
    assert frame(client, attributes) == PIXELS.tobytes()


def test_a_part_may_be_named_by_its_content_id(client: Client) -> None:
    attributes = make_metadata(pixels="cid:1@here") | pixel_description(3, 4)
    part = ({"Content-Type": OCTETS, "Content-ID": "<1@here>"}, PIXELS.tobytes())
    assert store_metadata(client, [attributes], [part]).status_code == 200
    assert frame(client, attributes) == PIXELS.tobytes()


def test_everything_may_be_inline_in_one_part_or_a_plain_body(client: Client) -> None:
    for text in (b64encode(PIXELS.tobytes()).decode(), b64encode(b"\xfb\xff\x3e" * 8).decode()):
        attributes = make_metadata() | pixel_description(3, 4)
        attributes["7FE00010"] = {"vr": "OW", "InlineBinary": text}
        assert store_metadata(client, [attributes]).status_code == 200
        again = make_metadata() | pixel_description(3, 4) | {"7FE00010": attributes["7FE00010"]}
        for body, name in ((orjson.dumps(again), "application/json"), (orjson.dumps([again]), JSON)):
            response = client.request("POST", "/studies", content=body, headers={"Content-Type": name})
            assert response.status_code == 200, response.text
        assert frame(client, attributes) == frame(client, again)


@pytest.mark.parametrize("escaped", ["/", "\\/", "\\u002F"])
def test_a_long_inline_value_stays_on_disk_whatever_is_escaped(client: Client, escaped: str) -> None:
    pixels = np.random.default_rng(3).integers(0, 1 << 16, (600, 500), dtype="<u2")
    attributes = make_metadata() | pixel_description(600, 500)
    attributes["7FE00010"] = {"vr": "OW", "InlineBinary": "@"}
    text = b64encode(pixels.tobytes()).decode().replace("/", escaped).replace("+", "\\u002B")
    body = orjson.dumps([attributes, make_metadata()]).replace(b'"@"', f'"{text}"'.encode())
    response = client.request("POST", "/studies", content=body, headers={"Content-Type": JSON})
    assert response.status_code == 200, response.text
    assert frame(client, attributes) == pixels.tobytes()


def test_long_inline_values_of_xml_stay_on_disk_too(client: Client) -> None:
    pixels = np.random.default_rng(4).integers(0, 1 << 16, (3000, 1000), dtype="<u2")
    attributes = make_metadata(x00104000=element("LT", "<ü&" * 100_000)) | pixel_description(3000, 1000)
    attributes["7FE00010"] = {"vr": "OW", "InlineBinary": b64encode(pixels.tobytes()).decode()}
    response = store_metadata(client, [attributes], form=XML)
    assert response.status_code == 200, response.text
    assert frame(client, attributes) == pixels.tobytes()
    text = client.get(stored(client, attributes)["00104000"]["BulkDataURI"]).content.decode()
    assert text.rstrip() == "<ü&" * 100_000


def test_a_long_text_is_stored_and_one_beyond_the_limit_is_not(make_client: Any) -> None:
    client = make_client(dataset_bytes=2 << 20)
    good, bad = (make_metadata(x00104000=element("LT", "ü" * size)) for size in (300_000, 2_000_000))
    response = store_metadata(client, [good, bad])
    assert response.status_code == 202
    ((uid, reason, _),) = failures(response)
    assert (uid, reason) == ("", 0xA700) or (uid, reason) == (bad["00080018"]["Value"][0], 0xA700)
    assert "BulkDataURI" in stored(client, good)["00104000"]


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
    assert transfer_syntax(client, attributes) == _FOUR + syntax
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
    part = bulk("p", f"{OCTETS}; transfer-syntax={_FOUR}80", items + b"\xfe\xff\xdd\xe0\0\0\0\0")
    assert store_metadata(client, [attributes], [part]).status_code == 200
    assert frame(client, attributes, 2) == (GREY + 1).tobytes()


@pytest.mark.parametrize("metadata_syntax", [EXPLICIT_LITTLE, f"{_FOUR}50", ""])
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
    assert transfer_syntax(client, attributes) == _FOUR + "50"


@pytest.mark.parametrize("rows", [48, 600])
def test_what_pydicom_writes_as_json_is_stored(client: Client, rows: int) -> None:
    """It gives encapsulated pixel data inline, items and all."""
    syntax = f"{_FOUR}80"
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
            bulk("good", OCTETS, PIXELS.tobytes()),
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
        assert transfer_syntax(client, attributes) == _FOUR + syntax
        found = stored(client, attributes)
        assert found["00280008"]["Value"][0] > 1
        assert found["00280004"]["Value"] == ["YBR_PARTIAL_420"]
        got = client.get(found["7FE00010"]["BulkDataURI"], f"{media_type}; transfer-syntax=*").content
        assert got.rstrip(b"\0") == video.rstrip(b"\0")


def test_any_value_may_be_bulkdata(client: Client) -> None:
    attributes = make_metadata(x00282000={"vr": "OB", "BulkDataURI": "icc"})
    attributes["00104000"] = {"vr": "LT", "BulkDataURI": "text"}
    given = [bulk("icc", OCTETS, b"profile" * 400), bulk("text", "text/plain", b"A long story. " * 2000)]
    assert store_metadata(client, [attributes], given).status_code == 200
    found = stored(client, attributes)
    icc = client.get(found["00282000"]["BulkDataURI"]).content
    assert icc.rstrip(b"\0") == b"profile" * 400


# --- the answer (S-13) ---------------------------------------------------------------------------------


def test_the_answer_is_xml_where_that_is_accepted(client: Client) -> None:
    attributes = make_metadata()
    response = store_metadata(client, [attributes], headers={"Accept": XML})
    assert response.status_code == 200
    assert response.headers["content-type"] == XML
    root = ElementTree.fromstring(response.content)
    tags = {child.get("tag") for child in root}
    assert tags == {"00081190", "00081199"}
    response = store_metadata(client, [attributes], headers={"Accept": f'multipart/related; type="{XML}"'})
    ((headers, document),) = parts(response)
    assert headers["content-type"] == XML
    assert ElementTree.fromstring(document).tag == root.tag


# --- what is wrong with a request ----------------------------------------------------------------------

GOOD = make_metadata(pixels="good") | pixel_description(3, 4)


@pytest.mark.parametrize(
    "wrong",
    [
        make_metadata(x00080018={"vr": "UI"}),
        make_metadata(x00080018=element("UI", "nö UID")),
        make_metadata(x00080018=element("UI", [5])),
        make_metadata(x00080016=element("UI", ["x"])),
        make_metadata(x00280010=element("US", 70000)),
        make_metadata(x00280010=element("US", "many")),
        make_metadata(x00280010=element("US", None, 3)),
        make_metadata(x00280010={"Value": [3]}),
        make_metadata(x00280010=[]),  # type: ignore[arg-type]
        make_metadata(x00280010={"vr": "US", "Value": 3}),
        make_metadata(x00081140={"vr": "SQ", "Value": [3]}),
        make_metadata(x00081140={"vr": "SQ", "Value": [{"x": {"vr": "LO"}}]}),
        make_metadata(x00420011={"vr": "OB", "InlineBinary": "not base64!"}),
        make_metadata(x00420011={"vr": "OB", "InlineBinary": 5}),
        make_metadata(x00420011={"vr": "OB", "Value": [1, 2, 3]}),
        make_metadata(x00420011={"vr": "OB", "BulkDataURI": "nowhere"}),
        make_metadata(x00420011={"vr": "OB", "BulkDataURI": None}),
        make_metadata(x00420011={"vr": "OB", "BulkDataURI": "left/in/the+spool+0000000000"}),
        make_metadata(xFFFEE00D={"vr": "LO"}),
        make_metadata(x0010002={"vr": "LO"}),
        make_metadata(pixels="nowhere"),
        make_metadata(pixels="text"),
        {"00080018": element("UI", "1.2.3")},
        {},
    ],
)
def test_a_wrong_data_set_fails_alone(client: Client, wrong: dict[str, Any]) -> None:
    good = {**GOOD, "00080018": element("UI", new_uid())}
    given = [bulk("good", OCTETS, PIXELS.tobytes())]
    if wrong.get("7FE00010", {}).get("BulkDataURI") == "text":
        given.append(bulk("text", "text/html", b"<html>"))
    response = store_metadata(client, [wrong, good], given)
    assert response.status_code == 202, response.text
    assert len(failures(response)) == 1
    assert is_stored(client, good)


def test_bulkdata_that_nothing_refers_to_is_told(client: Client) -> None:
    good = make_metadata()
    response = store_metadata(client, [good], [bulk("lost", OCTETS, b"x" * 100)])
    assert response.status_code == 202
    ((_, reason, sentence),) = failures(response)
    assert (reason, sentence) == (0xC000, "No metadata refers to a bulkdata part.")
    assert is_stored(client, good)


@pytest.mark.parametrize(
    "text", [b"", b"no JSON", b"[", b'[{"00080018": {"vr": "UI"}}', b'"text"', b"[[]]", b"{}{}"]
)
def test_metadata_that_is_no_json_array_stores_nothing(client: Client, text: bytes) -> None:
    good = make_metadata()
    body = related(*metadata_parts([good]), ({"Content-Type": JSON}, text))
    headers = {"Content-Type": f'multipart/related; type="{JSON}"; boundary=BOUNDARY'}
    assert client.request("POST", "/studies", content=body, headers=headers).status_code == 400
    assert not is_stored(client, good)


@pytest.mark.parametrize("form", [JSON, XML])
def test_a_body_that_is_cut_off_stores_nothing(client: Client, form: str) -> None:
    attributes = make_metadata(pixels="p") | pixel_description(3, 4)
    body = related(*metadata_parts([attributes], form), bulk("p", OCTETS, PIXELS.tobytes()))
    headers = {"Content-Type": f'multipart/related; type="{form}"; boundary=BOUNDARY'}
    for cut in (len(body) - 4, len(body) - 20, len(body) // 2):
        response = client.request("POST", "/studies", content=body[:cut], headers=headers)
        assert response.status_code == 400
        assert not is_stored(client, attributes)


@pytest.mark.parametrize("document", [b"", b"<", b"<NativeDicomModel/>", b"<!DOCTYPE x><x/>", b"\xff\xfe"])
def test_a_wrong_xml_document_fails_alone(client: Client, document: bytes) -> None:
    good = make_metadata()
    body = related(*metadata_parts([good], XML), ({"Content-Type": XML}, document))
    headers = {"Content-Type": f'multipart/related; type="{XML}"; boundary=BOUNDARY'}
    response = client.request("POST", "/studies", content=body, headers=headers)
    assert response.status_code == 202, response.text
    assert len(failures(response)) == 1
    assert is_stored(client, good)


def test_deep_nesting_ends_with_an_answer(client: Client) -> None:
    for depth, statuses in ((70, {202, 409}), (10_000, {400})):
        text = '{"00081140":{"vr":"SQ","Value":[' * depth + "]}}" * depth
        response = client.request("POST", "/studies", content=f"[{text}]", headers={"Content-Type": JSON})
        assert response.status_code in statuses


def test_the_kind_of_request_shows_in_its_first_part_when_type_is_missing(client: Client) -> None:
    attributes = make_metadata(pixels="p") | pixel_description(3, 4)
    body = related(*metadata_parts([attributes]), bulk("p", OCTETS, PIXELS.tobytes()))
    headers = {"Content-Type": "multipart/related; boundary=BOUNDARY"}
    assert client.request("POST", "/studies", content=body, headers=headers).status_code == 200
    assert frame(client, attributes) == PIXELS.tobytes()


def test_an_instance_of_another_study_is_refused(client: Client) -> None:
    attributes = make_metadata()
    response = store_metadata(client, [attributes], path=f"/studies/{new_uid()}")
    assert response.status_code == 409
    ((uid, reason, _),) = failures(response)
    assert (uid, reason) == (attributes["00080018"]["Value"][0], 0xA901)


def test_a_put_replaces_what_is_stored(client: Client) -> None:
    attributes = make_metadata()
    other = {**attributes, "00100020": element("LO", "ID2")}
    assert store_metadata(client, [attributes]).status_code == 200
    assert store_metadata(client, [other]).status_code == 409
    headers = {"Content-Type": JSON}
    response = client.request("PUT", "/studies", content=orjson.dumps([other]), headers=headers)
    assert response.status_code == 200
    assert stored(client, attributes)["00100020"]["Value"] == ["ID2"]


def test_a_large_value_streams(make_client: Any) -> None:
    client = make_client(small_part_bytes=10_000)
    pixels = np.arange(1 << 20, dtype="<u2").reshape(1024, 1024)
    attributes = make_metadata(pixels="p") | pixel_description(1024, 1024)
    given: list[Part] = [bulk("p", OCTETS, pixels.tobytes())]
    assert store_metadata(client, [attributes], given).status_code == 200
    assert frame(client, attributes) == pixels.tobytes()
