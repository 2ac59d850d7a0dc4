"""`python -m benchmarks.first_picture`: how soon, and by how many bytes, a picture is there before all of it.

Stores pictures in a fresh server that keeps them as they come, and in one that stores them as HTJ2K RPCL, and
asks for each whole, by a range of its beginning, reduced, and rendered small. Every answer is decoded and
compared. Writes first_picture.md and first_picture.json.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.answers import all_stored, demand
from benchmarks.objects import Series, make_series
from benchmarks.run import tell
from benchmarks.servers import archive_server
from benchmarks.wire import Answer, Client, Request

Pixels = NDArray[np.int64]

RPCL = "1.2.840.10008.1.2.4.202"
# The accept header of Cornerstone3D, which says the rest in the query.
_VIEWER = "multipart/related; type=application/octet-stream; transfer-syntax=*"
_OCTETS = "application/octet-stream"
_HTJ2K = f"image/jphc; transfer-syntax={RPCL}"
_RESULTS = Path(__file__).resolve().parent / "results"
_BOUNDARY = "first-picture-boundary"
# "4g" of Cornerstone3D's published measurements, in bits a second and milliseconds.
_LINK_BITS, _LINK_MS = 30e6, 10.0
# Each side, and so 1/16 of the pixels: what is published as the share of bytes of a first picture.
_HALVINGS = 2
# As much of the message is asked for: the beginning of an HTJ2K RPCL frame and the head of its part.
_SHARE = 16
_RPCL_WHOLE = "whole, HTJ2K RPCL"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to ask for a picture. check: raises WrongAnswer where the answer does not show these pixels."""

    name: str
    path: str
    accept: str
    check: Callable[[Answer, Pixels], None]
    is_range: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """What one way took. bytes: of the body. first_ms, ms: the first time, and again; medians."""

    picture: str
    kept: str
    way: str
    bytes: int
    first_ms: float
    ms: float

    @property
    def over_link_ms(self) -> float:
        """Time to the picture over the published link, the first time."""
        return _LINK_MS + self.first_ms + self.bytes * 8 / _LINK_BITS * 1000


def _whole(answer: Answer, pixels: Pixels) -> None:
    demand(np.array_equal(np.frombuffer(answer.body, "<u2").reshape(pixels.shape), pixels), "other pixels")


def _whole_htj2k(answer: Answer, pixels: Pixels) -> None:
    demand(np.array_equal(imagecodecs.htj2k_decode(answer.body), pixels), "other pixels")


def _beginning(answer: Answer, pixels: Pixels) -> None:
    _, _, codestream = answer.body.partition(b"\r\n\r\n")
    small = imagecodecs.htj2k_decode(codestream, skipres=_HALVINGS, resilient=True)
    _alike(small.view(np.int16), pixels)  # it lets what a wavelet makes of black wrap around


def _reduced_htj2k(answer: Answer, pixels: Pixels) -> None:
    _alike(imagecodecs.jpeg2k_decode(answer.body), pixels)


def _reduced(answer: Answer, pixels: Pixels) -> None:
    rows, columns = (-(-side >> _HALVINGS) for side in pixels.shape)
    demand(len(answer.body) == 2 * rows * columns, "another size")
    _alike(np.frombuffer(answer.body, "<u2").reshape(rows, columns), pixels)


def _drawn(answer: Answer, pixels: Pixels) -> None:
    with Image.open(io.BytesIO(answer.body)) as image:
        demand(max(image.size) == -(-max(pixels.shape) >> _HALVINGS), "another size")


def _alike(small: NDArray[Any], pixels: Pixels) -> None:
    """Near the means of the blocks that its pixels stand for: a wavelet's are not quite the same."""
    step = 1 << _HALVINGS
    demand(small.shape == tuple(-(-side // step) for side in pixels.shape), "another size")
    rows, columns = (side // step for side in pixels.shape)
    blocks = pixels[: rows * step, : columns * step].reshape(rows, step, columns, step).mean(axis=(1, 3))
    off = np.abs(small[:rows, :columns].astype(float) - blocks).mean()
    demand(off < 0.02 * pixels.max(), "another picture")


def _ways(path: str, side: int) -> tuple[Way, ...]:
    frame, small = f"{path}/frames/1", f"{path}/frames/1?reduce={_HALVINGS}"
    view = -(-side >> _HALVINGS)
    return (
        Way("whole, native", frame, _OCTETS, _whole),
        Way(_RPCL_WHOLE, frame, _HTJ2K, _whole_htj2k),
        Way(
            f"first 1/{_SHARE} of it, by range",
            f"{frame}?accept=image/jhc",
            _VIEWER,
            _beginning,
            is_range=True,
        ),
        Way("1/4 of each side, HTJ2K", small, _HTJ2K, _reduced_htj2k),
        Way("1/4 of each side, native", small, _OCTETS, _reduced),
        Way("rendered at 1/4, JPEG", f"{frame}/rendered?viewport={view},{view}", "image/jpeg", _drawn),
    )


def measure(base: str, series: Series, picture: str, kept: str, *, rounds: int = 5) -> Iterator[Row]:
    """A row for each way, each with instances of its own: nothing of them was made before.

    rounds: how often each is asked again. Raises WrongAnswer.
    """
    client, side = Client(base), _pixels(series.instances[0][1]).shape[0]
    sizes: list[int] = []
    try:
        for number, way in enumerate(_ways("", side)):
            fresh = series.again()
            all_stored(client.request(_store(fresh)), len(fresh.instances))
            first, again, lengths = [], [], []
            for index, (_, data) in enumerate(fresh.instances):
                way = _ways(fresh.instance_path(index), side)[number]
                headers = {"Accept": way.accept}
                if way.is_range:
                    headers["Range"] = f"bytes=0-{sizes[index] // _SHARE}"
                answer, ms = _timed(client, Request(way.path, headers))
                way.check(answer, _pixels(data))
                lengths.append(len(answer.body))
                first.append(ms)
                again += [_timed(client, Request(way.path, headers))[1] for _ in range(rounds)]
            sizes = lengths if way.name == _RPCL_WHOLE else sizes
            yield Row(picture, kept, way.name, round(median(lengths)), median(first), median(again))
    finally:
        client.close()


def _timed(client: Client, request: Request) -> tuple[Answer, float]:
    begin = time.perf_counter()
    answer = client.request(request)
    return answer, (time.perf_counter() - begin) * 1000


def _store(series: Series) -> Request:
    head = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"\r\n".join(head + data for _, data in series.instances) + f"\r\n--{_BOUNDARY}--\r\n".encode()
    content_type = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
    headers = {"Content-Type": content_type, "Accept": "application/dicom+json"}
    return Request("/studies", headers, "POST", body)


def _pixels(data: bytes) -> Pixels:
    """Of an object of benchmarks.objects, whose pixels are square and come last."""
    length = int.from_bytes(data[data.rindex(b"\xe0\x7f\x10\x00") + 8 :][:4], "little")
    side = round((length / 2) ** 0.5)
    return np.frombuffer(data[-length:], "<u2").reshape(side, side).astype(np.int64)


# --- what is told ----------------------------------------------------------------------------------

_TEXT = """## First picture

How many bytes, and how long, until a picture is there: whole, by a range of its beginning as Cornerstone3D
asks for it, reduced (`frames/1?reduce=2`), rendered. *of it*: share of the bytes of the whole in HTJ2K
RPCL. *first*: where it is made for this request; *again*: the next ones. *over 4g*: the first time over 30
Mbit/s with 10 ms of latency, calculated. That is the link of [Cornerstone3D's published figures][1]: a
first picture by "about 1/16th to 1/10th of the image"; of their radiograph of 3036 x 3036 (11.1 MB) 45 ms
by a range of 128 KiB, and 4,610 ms to the whole. Every answer was decoded and compared.

[1]: https://www.cornerstonejs.org/docs/concepts/progressive-loading/stackprogressive
"""
_COLUMNS: Mapping[str, Callable[[Row, Row], str]] = {
    "picture": lambda row, _: row.picture,
    "kept as": lambda row, _: row.kept,
    "asked for": lambda row, _: row.way,
    "KB": lambda row, _: f"{row.bytes / 1000:,.1f}",
    "of it": lambda row, whole: f"1/{whole.bytes / row.bytes:.1f}" if row.bytes < whole.bytes else "",
    "first ms": lambda row, _: f"{row.first_ms:.1f}",
    "again ms": lambda row, _: f"{row.ms:.1f}",
    "over 4g ms": lambda row, _: f"{row.over_link_ms:,.0f}",
}


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a section of the results."""
    whole = {(row.picture, row.kept): row for row in rows if row.way == _RPCL_WHOLE}
    lines = [list(_COLUMNS), ["---"] * 3 + ["---:"] * (len(_COLUMNS) - 3)]
    lines += [[write(row, whole[row.picture, row.kept]) for write in _COLUMNS.values()] for row in rows]
    return _TEXT + "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> int:
    """Measure, print the table, write the results."""
    given = _parsed()
    pictures = {f"{side} x {side}": make_series(instances=given.instances, rows=side) for side in given.sides}
    rows: list[Row] = []
    for kept, settings in (("it came", {}), ("HTJ2K RPCL", {"ingest_syntax": RPCL})):
        with tempfile.TemporaryDirectory(prefix="dicomweb-bench-") as name:
            Path(name).chmod(0o711)
            with archive_server(Path(name, "data"), **settings) as server:
                for picture, series in pictures.items():
                    tell(f"{picture} kept as {kept}")
                    rows += measure(server.base, series, picture, kept)
    print(markdown(rows))
    given.results.mkdir(parents=True, exist_ok=True)
    (given.results / "first_picture.md").write_text(markdown(rows))
    (given.results / "first_picture.json").write_text(
        json.dumps([asdict(row) for row in rows], indent=1) + "\n"
    )
    return 0


def _parsed() -> argparse.Namespace:
    about = (__doc__ or "").split("\n\n")[0]
    parser = argparse.ArgumentParser(prog="benchmarks.first_picture", description=about)
    parser.add_argument(
        "--sides", metavar="N", type=int, nargs="+", default=[512, 3036], help="of the pictures"
    )
    parser.add_argument("--instances", metavar="N", type=int, default=5, help="of each")
    parser.add_argument("--results", metavar="DIRECTORY", type=Path, default=_RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
