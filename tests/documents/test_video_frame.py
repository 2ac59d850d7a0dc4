from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from dicomweb.documents import video_frame
from dicomweb.documents.video_frame import video_frame_job
from dicomweb.errors import DecodeFailed

av = pytest.importorskip("av")

REQUEST = {"request": {"media_type": "image/png"}}


def video(container: str, codec: str) -> bytes:
    """Eight frames, the first of them red."""
    buffer = BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(8):
            pixels = np.zeros((48, 64, 3), np.uint8)
            pixels[:, :, min(number, 2)] = 255
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        output.mux(stream.encode())
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("container", "codec"), [("mpegts", "mpeg2video"), ("mpeg", "mpeg2video"), ("mp4", "libx264")]
)
def test_the_first_frame_is_shown(container: str, codec: str) -> None:
    picture = Image.open(BytesIO(video_frame_job(REQUEST, [video(container, codec)])))
    assert picture.size == (64, 48)
    red, green, blue = np.asarray(picture.convert("RGB"))[24, 32]
    assert red > 200
    assert max(green, blue) < 60


def test_the_beginning_of_a_stream_is_enough() -> None:
    data = video("mpegts", "mpeg2video")
    assert video_frame_job(REQUEST, [data[: len(data) * 3 // 4]])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 5000,
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n/etc/passwd\n",
    ],
)
def test_what_is_no_video_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeFailed):
        video_frame_job(REQUEST, [data])


def test_without_the_extra_the_refusal_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_frame, "av", None)
    with pytest.raises(DecodeFailed, match="extra"):
        video_frame_job(REQUEST, [b""])
