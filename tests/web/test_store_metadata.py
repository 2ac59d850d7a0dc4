"""STOW-RS with metadata and bulkdata (PS3.18 10.5.2), through the whole application."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from xml.etree import ElementTree

import numpy as np
import orjson
import pytest

from dicomweb.dicom.native_xml import native_xml
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from tests.builders import new_uid
from tests.web.conftest import Client, parts
from tests.web.uploads import (
    JSON,
    OCTETS,
    XML,
    Part,
    bulk,
    element,
    failures,
    frame,
    is_stored,
    make_metadata,
    metadata_parts,
    pixel_description,
    related,
    store_metadata,
    stored,
    transfer_syntax,
)

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


LONG = 30_000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a&amp;copy=1 ", "a&copy=1 "),
        ("a&#150;b&#233;cdefghij", "a\x96bécdefghij"),
        ("ab\r\ncdefghijkl", "ab\ncdefghijkl"),
        ("ab<![CDATA[<&>]]>cdefg", "ab<&>cdefg"),
        ("abcdefghijklm", "abcdefghijklm"),
        ("abcdefghij&nbsp;", None),
        ("abcdefghij & ", None),
        ("abcdefghij&#0;", None),
        ("abcdefghij]]>", None),
        ("abcdefghij\x01", None),
    ],
)
def test_a_long_text_of_xml_means_what_a_short_one_does(
    client: Client, encoding: str, text: str, meant: str | None
) -> None:
    marked = make_metadata(x00324000=element("UT", "TEXT"))
    document = native_xml(marked).decode().replace("UTF-8", encoding)
    body = document.replace("TEXT", text * LONG).encode(encoding, "xmlcharrefreplace")
    response = client.request("POST", "/studies", content=body, headers={"Content-Type": XML})
    if meant is None:
        assert (response.status_code, is_stored(client, marked)) == (409, False)
        return
    assert response.status_code == 200, response.text
    found = client.get(stored(client, marked)["00324000"]["BulkDataURI"]).content.decode()
    assert found.rstrip(" ") == (meant * LONG).rstrip(" ")


@pytest.mark.parametrize("form", [JSON, XML])
def test_a_long_name_is_not_left_out(client: Client, form: str) -> None:
    attributes = make_metadata(x00100010=element("PN", {"Alphabetic": "A" * 300_000}))
    response = store_metadata(client, [attributes], form=form)
    if response.status_code == 200:
        assert stored(client, attributes)["00100010"]["Value"] == [{"Alphabetic": "A" * 300_000}]
    else:
        assert len(failures(response)) == 1


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


@pytest.mark.parametrize("value", ["x", ["x"], [5], {"Alphabetic": "x"}])
def test_a_wrong_attribute_is_told_with_its_tag_and_its_instance(client: Client, value: Any) -> None:
    wrong = make_metadata(x00280010={"vr": "US", "Value": value} if value != [5] else {"Value": value})
    ((uid, _, sentence),) = failures(store_metadata(client, [wrong]))
    assert uid == wrong["00080018"]["Value"][0]
    assert "00280010" in sentence


def test_what_comes_twice_is_refused(client: Client) -> None:
    for other in ("0020000d", "0020000D"):
        text = orjson.dumps(make_metadata())[:-1] + f',"{other}":{{"vr":"UI","Value":["1.2"]}}}}'.encode()
        response = client.request("POST", "/studies", content=text, headers={"Content-Type": JSON})
        assert response.status_code == 409


def test_bulkdata_that_nothing_refers_to_is_told(client: Client) -> None:
    good = make_metadata()
    response = store_metadata(client, [good], [bulk("lost", OCTETS, b"x" * 100)])
    assert response.status_code == 202
    ((_, reason, sentence),) = failures(response)
    assert (reason, sentence) == (0xC000, "No metadata refers to a bulkdata part.")
    assert is_stored(client, good)


NO_JSON = (b"", b"no JSON", b"[", b'[{"00080018": {"vr": "UI"}}', b'"text"', b"[[]]", b"{}{}", b"[{}{}]")


@pytest.mark.parametrize("text", NO_JSON)
def test_metadata_that_is_no_json_array_fails_alone(client: Client, text: bytes) -> None:
    good = make_metadata()
    body = related(*metadata_parts([good]), ({"Content-Type": JSON}, text))
    headers = {"Content-Type": f'multipart/related; type="{JSON}"; boundary=BOUNDARY'}
    response = client.request("POST", "/studies", content=body, headers=headers)
    assert response.status_code == 202, response.text
    assert len(failures(response)) == 1
    assert is_stored(client, good)


@pytest.mark.parametrize("text", NO_JSON)
def test_a_request_without_any_metadata_that_is_json_is_refused(client: Client, text: bytes) -> None:
    headers = {"Content-Type": f'multipart/related; type="{JSON}"; boundary=BOUNDARY'}
    body = related(({"Content-Type": JSON}, text))
    assert client.request("POST", "/studies", content=body, headers=headers).status_code == 400
    response = client.request("POST", "/studies", content=text, headers={"Content-Type": JSON})
    assert response.status_code == 400


def test_a_part_that_is_cut_off_stores_none_of_its_instances(client: Client) -> None:
    lost, good = make_metadata(), make_metadata()
    body = related(*metadata_parts([good]), ({"Content-Type": JSON}, orjson.dumps([lost])[:-1]))
    headers = {"Content-Type": f'multipart/related; type="{JSON}"; boundary=BOUNDARY'}
    assert client.request("POST", "/studies", content=body, headers=headers).status_code == 202
    assert (is_stored(client, lost), is_stored(client, good)) == (False, True)


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


def test_instances_may_share_a_value(client: Client) -> None:
    instances = [make_metadata(x00282000={"vr": "OB", "BulkDataURI": "profile"}) for _ in range(3)]
    response = store_metadata(client, instances, [bulk("profile", OCTETS, b"icc!" * 1000)])
    assert response.status_code == 200, response.text
    for attributes in instances:
        uri = stored(client, attributes)["00282000"]["BulkDataURI"]
        assert client.get(uri, OCTETS).content == b"icc!" * 1000


def test_a_small_request_does_not_become_a_large_archive(client: Client) -> None:
    part = bulk("p", OCTETS, bytes(1 << 20))
    good = make_metadata(x00282000={"vr": "OB", "BulkDataURI": "p"})
    references = {f"0009{0x1000 + at:04X}": {"vr": "OB", "BulkDataURI": "p"} for at in range(100)}
    response = store_metadata(client, [good, make_metadata() | references], [part])
    assert response.status_code == 202
    ((_, reason, sentence),) = failures(response)
    assert reason == 0xA700
    assert "too many times" in sentence
    assert is_stored(client, good)


def test_a_mark_for_an_inline_value_is_no_way_around_that(client: Client) -> None:
    mark = "left/in/the+spool+0000000000"
    long = b64encode(bytes(1 << 20)).decode()
    attributes = make_metadata(x00082000={"vr": "OB", "InlineBinary": long})
    attributes |= {f"0009{0x1000 + at:04X}": {"vr": "OB", "InlineBinary": mark} for at in range(100)}
    response = store_metadata(client, [attributes])
    assert response.status_code == 409
    ((_, reason, _),) = failures(response)
    assert reason == 0xA700
