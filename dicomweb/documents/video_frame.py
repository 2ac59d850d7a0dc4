"""The first frame of a video as a picture, by PyAV (the extra [video])."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from PIL import Image

from dicomweb.documents.picture import PictureForm, annotated, framed
from dicomweb.errors import DecodeFailed

try:
    import av
except ImportError:  # the extra is not installed
    av = None

_MOST_PIXELS = 8192 * 4320
# Containers, bare streams and codings of the video transfer syntaxes (PS3.5 8.2.5 to 8.2.8). What names
# other files is not among them, and no protocol is there to open them.
_CODECS = frozenset({"mpeg1video", "mpeg2video", "h264", "hevc"})
_OPTIONS = {
    "format_whitelist": "mpegts,mpeg,mpegvideo,mov,mp4,h264,hevc",
    "codec_whitelist": ",".join(_CODECS),
    "protocol_whitelist": "none",
}
# Packets without a picture before the first one.
_MOST_PACKETS = 2_000


def video_frame_job(parameters: dict[str, Any], buffers: Sequence[bytes]) -> bytes:
    """The first frame that decodes. The one buffer: the video, or its beginning; a file whose index is at its
    end must be whole.

    request: RenderRequest.to_parameters().
    """
    if av is None:
        raise DecodeFailed("Frames of videos cannot be shown here: the extra [video] is not installed.")
    form = PictureForm.of(parameters)
    return annotated(framed(_frame(buffers[0]), form), form)


def _frame(data: bytes) -> Image.Image:
    try:
        with av.open(BytesIO(data), options=_OPTIONS) as container:
            stream = container.streams.video[0]
            if stream.codec_context is None or stream.codec_context.name not in _CODECS:
                raise DecodeFailed("The video is of a coding that cannot be decoded here.")
            if stream.codec_context.width * stream.codec_context.height > _MOST_PIXELS:
                raise DecodeFailed("The frames of the video are too large to be shown.")
            stream.thread_count = 1
            for number, packet in enumerate(container.demux(stream)):
                for frame in packet.decode():
                    picture: Image.Image = frame.to_image()
                    return picture
                if number > _MOST_PACKETS:
                    break
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise DecodeFailed("The video cannot be decoded.") from error
    raise DecodeFailed("The video holds no frame that can be decoded.")
