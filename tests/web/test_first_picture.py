"""What comes before a frame is whole: its first bytes by range, and smaller versions of it (V-08, H-05)."""

from __future__ import annotations

from typing import Any

import httpx
import imagecodecs
import numpy as np
import pytest

from dicomweb.dicom.transfer_syntax import EXPLICIT_BIG, EXPLICIT_LITTLE, HTJ2K_RPCL
from dicomweb.pixels.encoders import encode_frame
from tests.builders import MULTIFRAME_GRAYSCALE_WORD, make_instance
from tests.pixels.samples import make_layout
from tests.web.conftest import BASE, Client, parts
from tests.web.test_transcoding import path_of

J2K, JPEG_HIERARCHICAL = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.59"
OCTETS = "application/octet-stream"
RPCL = f"image/jphc; transfer-syntax={HTJ2K_RPCL}"
# As Cornerstone3D 5 asks for every frame; what else it wants it puts into the query of the URL.
CORNERSTONE = "multipart/related; type=application/octet-stream; transfer-syntax=*"
SIDE, FRAMES = 200, 2
LAYOUT = make_layout(SIDE, SIDE, bits=16, stored=12, encapsulated=False)
NOISE = np.random.default_rng(1).integers(0, 8, (SIDE, SIDE))
NATIVE = [
    (np.add.outer(np.arange(SIDE), np.arange(SIDE)) * 8 + 100 * number + NOISE).astype("<u2").tobytes()
    for number in range(FRAMES)
]
STORED = [EXPLICIT_LITTLE, EXPLICIT_BIG, J2K, HTJ2K_RPCL]


def stored(client: Client, uid: str, **options: Any) -> str:
    """Store the frames in this transfer syntax; returns the path of the instance."""
    options |= {"rows": SIDE, "columns": SIDE, "frames": FRAMES, "bits_stored": 12}
    options |= {"sop_class_uid": MULTIFRAME_GRAYSCALE_WORD, "transfer_syntax_uid": uid}
    if uid in (EXPLICIT_LITTLE, EXPLICIT_BIG):
        options.setdefault("pixels", b"".join(NATIVE))
    elif "codestreams" not in options:
        options["codestreams"] = [encode_frame(frame, LAYOUT, uid) for frame in NATIVE]
    data = make_instance(**options)
    assert client.store(data).status_code == 200
    return path_of(data)


@pytest.fixture(scope="module", params=STORED)
def path(request: pytest.FixtureRequest, client: Client) -> str:
    return stored(client, request.param)


def whole(client: Client, path: str, accept: str) -> httpx.Response:
    response = client.get(path, accept)
    assert response.status_code == 200, response.text
    assert response.headers["content-length"] == str(len(response.content))
    assert response.headers["accept-ranges"] == "bytes"
    return response


@pytest.mark.parametrize("accept", [RPCL, OCTETS, f"multipart/related; type={RPCL}"])
def test_a_frame_has_ranges_whether_it_is_stored_so_or_made(client: Client, path: str, accept: str) -> None:
    path = f"{path}/frames/1"
    full = whole(client, path, accept)
    size, etag = len(full.content), full.headers["etag"]
    first = client.get(path, accept, headers={"Range": "bytes=0-999"})
    assert (first.status_code, first.content) == (206, full.content[:1000])
    assert first.headers["content-range"] == f"bytes 0-999/{size}"
    assert first.headers["etag"] == etag
    rest = client.get(path, accept, headers={"Range": "bytes=1000-", "If-Range": etag})
    assert first.content + rest.content == full.content
    other = client.get(path, accept, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, full.content)
    assert client.get(path, accept, headers={"Range": f"bytes={size}-"}).status_code == 416
    assert client.get(path, accept, headers={"If-None-Match": etag}).status_code == 304
    assert client.request("HEAD", path, headers={"Accept": accept}).headers["etag"] == etag


def test_a_frame_of_several_fragments_has_ranges(client: Client) -> None:
    path = stored(client, J2K, fragments_per_frame=3) + "/frames/2"
    full = client.get(path, "image/jp2").content
    part = client.get(path, "image/jp2", headers={"Range": "bytes=10-20"})
    assert (part.status_code, part.content) == (206, full[10:21])


@pytest.mark.parametrize("uid", [HTJ2K_RPCL, EXPLICIT_LITTLE])
def test_a_viewer_takes_a_frame_in_two_ranges_of_the_multipart_message(client: Client, uid: str) -> None:
    """As the range requests of Cornerstone3D do: the first shows a beginning, the second completes it. What
    is not stored as HTJ2K it gets so by urlArguments: 'accept=image/jhc', as its documentation has it."""
    path = f"{stored(client, uid)}/frames/1" + ("?accept=image/jhc" if uid == EXPLICIT_LITTLE else "")
    first = client.get(path, CORNERSTONE, headers={"Range": "bytes=0-8191"})
    assert first.status_code == 206
    size = int(first.headers["content-range"].partition("/")[2])
    head, _, beginning = first.content.partition(b"\r\n\r\n")
    assert f"Content-Type: {RPCL}".encode() in head.split(b"\r\n")
    assert imagecodecs.htj2k_decode(beginning, skipres=2, resilient=True).shape == (50, 50)
    rest = client.get(path, CORNERSTONE, headers={"Range": "bytes=8192-"})
    assert len(first.content) + len(rest.content) == size
    codestream, _, _ = (beginning + rest.content).partition(b"\r\n--")
    assert imagecodecs.htj2k_decode(codestream).tobytes() == NATIVE[0]


# --- smaller versions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("halvings", [1, 2, 3, 8])
def test_frames_come_smaller(client: Client, path: str, halvings: int) -> None:
    side = -(-SIDE >> halvings)
    url = f"{path}/frames/2?reduce={halvings}"
    native = whole(client, url, OCTETS)
    assert native.headers["content-type"] == f"{OCTETS}; transfer-syntax={EXPLICIT_LITTLE}"
    assert native.headers["content-location"] == BASE + url
    coded = whole(client, url, RPCL)
    assert coded.headers["content-type"] == RPCL
    pixels = imagecodecs.jpeg2k_decode(coded.content)
    assert pixels.shape == (side, side)
    assert pixels.astype("<u2").tobytes() == native.content
    expected = np.frombuffer(NATIVE[1], "<u2").reshape(SIDE, SIDE)[:: 1 << halvings, :: 1 << halvings]
    assert np.abs(pixels.astype(int) - expected).mean() < 8 << halvings


@pytest.mark.parametrize("uid", STORED)
def test_what_overshoots_black_and_white_does_not_wrap_around(client: Client, uid: str) -> None:
    """Wavelets do at edges; as unsigned words, a little below black would be white."""
    bars = np.where(np.arange(SIDE) // 25 % 2, 4095, 0) * np.ones((SIDE, 1))
    frame = bars.astype("<u2").tobytes()
    native = uid in (EXPLICIT_LITTLE, EXPLICIT_BIG)
    form = (
        {"pixels": frame * FRAMES} if native else {"codestreams": [encode_frame(frame, LAYOUT, uid)] * FRAMES}
    )
    path = stored(client, uid, **form)
    for halvings in (1, 2):
        answer = whole(client, f"{path}/frames/1?reduce={halvings}", OCTETS)
        small = np.frombuffer(answer.content, "<u2").reshape(SIDE >> halvings, -1)
        assert small.max() <= 4095
        assert np.abs(small.astype(float) - bars[:: 1 << halvings, :: 1 << halvings]).mean() < 400


def test_smaller_frames_of_a_list_come_in_its_order(client: Client, path: str) -> None:
    response = client.get(f"{path}/frames/2,1?reduce=2", f"multipart/related; type={OCTETS}")
    assert response.status_code == 200
    means = [np.frombuffer(payload, "<u2").mean() for _, payload in parts(response)]
    assert len(means) == FRAMES
    assert 90 < means[0] - means[1] < 110


def test_who_takes_anything_gets_few_bytes(client: Client, path: str) -> None:
    """`transfer-syntax=*` means the codestream, and reduced frames have one whatever is stored."""
    response = client.get(f"{path}/frames/1?reduce=2", CORNERSTONE)
    ((headers, payload),) = parts(response)
    assert headers["content-type"] == RPCL
    assert len(payload) < SIDE * SIDE * 2 / 10


def test_every_size_has_an_entity_tag_of_its_own(client: Client, path: str) -> None:
    tags = {client.get(f"{path}/frames/1?reduce={n}", OCTETS).headers["etag"] for n in range(4)}
    assert len(tags) == 4
    tag = client.get(f"{path}/frames/1?reduce=1", OCTETS).headers["etag"]
    again = client.get(f"{path}/frames/1?reduce=1", OCTETS, headers={"If-None-Match": tag})
    assert again.status_code == 304


def test_no_halving_is_the_frame_itself(client: Client, path: str) -> None:
    assert client.get(f"{path}/frames/1?reduce=0", OCTETS).content == NATIVE[0]
    assert client.get(f"{path}/frames/1?reduced=2", OCTETS).content == NATIVE[0]


@pytest.mark.parametrize(
    "query", ["reduce=", "reduce=-1", "reduce=11", "reduce=1.5", "reduce=1&reduce=1", "reduce=%GG"]
)
def test_a_reduction_that_is_none_is_refused(client: Client, path: str, query: str) -> None:
    assert client.get(f"{path}/frames/1?{query}", OCTETS).status_code == 400


def test_smaller_frames_have_two_forms_only(client: Client, path: str) -> None:
    response = client.get(f"{path}/frames/1?reduce=1", "image/jls")
    assert response.status_code == 406
    assert "image/jphc" in response.text


def test_frames_that_cannot_be_decoded_have_no_smaller_ones(client: Client) -> None:
    path = stored(client, JPEG_HIERARCHICAL, codestreams=[b"\xff\xd8\xff\xd9"] * FRAMES)
    assert client.get(f"{path}/frames/1?reduce=1", "*/*").status_code == 406


def test_a_codestream_that_is_not_what_it_says_is_refused(client: Client) -> None:
    path = stored(client, HTJ2K_RPCL, codestreams=[b"\xff\x4f\xff\x51" + bytes(60)] * FRAMES)
    assert client.get(f"{path}/frames/1?reduce=1", "*/*").status_code == 406


def test_a_header_that_names_more_bytes_than_there_are_is_decoded_whole(client: Client) -> None:
    frames = [encode_frame(frame, LAYOUT, HTJ2K_RPCL) for frame in NATIVE]
    path = stored(client, HTJ2K_RPCL, codestreams=[frame[:-300] for frame in frames])
    assert client.get(f"{path}/frames/1?reduce=0", RPCL).status_code == 200
    assert client.get(f"{path}/frames/1?reduce=3", RPCL).status_code == 200
