"""`python -m benchmarks.contact_sheet FOLDER`: one PNG with a picture of every DICOM file of a folder.

Each file is stored in a server of its own, started as a user would, and its rendered picture asked for; what
has none shows its thumbnail, and its caption is grey. Under each: the file, transfer syntax and photometric
interpretation, no attribute of a patient. To be looked at: is one black, inverted, miscoloured, stretched?
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from PIL import Image, ImageDraw

from benchmarks.servers import archive_server

_CELL = 150
_CAPTION = 34
_BACKGROUND, _INK, _GREY = (24, 28, 36), (235, 235, 235), (150, 150, 160)
_FREE = re.compile(r"BSD|MIT|Apache|MPL|CC0|CC BY|same as its source")
_ACCEPT = {"Accept": "image/png, image/gif;q=0.5"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture. rendered: False when it is only the thumbnail of something that has no picture."""

    caption: tuple[str, str]
    picture: Image.Image | None
    rendered: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the sheet; 1 when nothing could be stored."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contact_sheet", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("contact-sheet.png"))
    parser.add_argument("--columns", type=int, default=16)
    parser.add_argument("--match", default="", help="regular expression that file names must match")
    parser.add_argument("--each", type=int, default=1, metavar="N", help="every N-th file only")
    parser.add_argument("--base-url", help="a running server instead of one of its own")
    parser.add_argument(
        "--free",
        action="store_true",
        help="only files whose licence in MANIFEST.csv lets the page be published",
    )
    options = parser.parse_args(arguments)
    paths = [one for one in _files(options.folder, options.free) if re.search(options.match, one.as_posix())]
    paths = paths[:: options.each]
    if options.base_url:
        cells = list(_cells(options.base_url, options.folder, paths))
    else:
        with tempfile.TemporaryDirectory() as work, archive_server(Path(work) / "data") as server:
            cells = list(_cells(server.base, options.folder, paths))
    if not cells:
        return 1
    _sheet(cells, options.columns).save(options.out, optimize=True)
    drawn = sum(cell.rendered for cell in cells)
    print(f"{options.out}: {len(cells)} stored files, {drawn} rendered, {len(cells) - drawn} thumbnails only")
    return 0


def _files(folder: Path, free: bool) -> list[Path]:
    found = sorted(one for one in folder.rglob("*") if one.is_file() and "broken" not in one.parts)
    if not free:
        return found
    with (folder / "MANIFEST.csv").open(newline="") as lines:
        allowed = {row["path"] for row in csv.DictReader(lines) if _FREE.search(row["licence"])}
    return [one for one in found if one.relative_to(folder).as_posix() in allowed]


def _cells(base: str, folder: Path, paths: Sequence[Path]) -> Iterator[Cell]:
    with httpx.Client(timeout=120, trust_env=False) as client:
        for number, path in enumerate(paths, 1):
            if number % 50 == 0:
                print(f"{number}/{len(paths)}", file=sys.stderr)
            data = path.read_bytes()
            if b"DICM" in data[:132] or path.suffix == ".dcm":
                yield from _cell(client, base, path.relative_to(folder), data)


def _cell(client: httpx.Client, base: str, name: Path, data: bytes) -> Iterator[Cell]:
    headers = {"Content-Type": "application/dicom", "Accept": "application/dicom+json"}
    answer = client.post(f"{base}/studies", content=data, headers=headers)
    if answer.status_code not in (200, 202):
        return
    found = client.get(answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0] + "/metadata")
    url = str(found.url).removesuffix("/metadata")
    attributes = found.json()[0]
    caption = (name.stem[-25:], f"{_syntax(client, url)} {_first(attributes, '00280004')}"[:25])
    picture = client.get(f"{url}/rendered", params={"viewport": f"{_CELL},{_CELL}"}, headers=_ACCEPT)
    rendered = picture.status_code == 200
    if not rendered:
        picture = client.get(f"{url}/thumbnail", params={"viewport": f"{_CELL},{_CELL}"}, headers=_ACCEPT)
    yield Cell(caption, _image(picture), rendered)


def _image(answer: httpx.Response) -> Image.Image | None:
    if answer.status_code != 200 or not answer.headers["content-type"].startswith("image/"):
        return None
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


def _syntax(client: httpx.Client, url: str) -> str:
    """The end of the transfer syntax UID that the instance is stored in."""
    with client.stream("GET", url, headers={"Accept": "application/dicom; transfer-syntax=*"}) as answer:
        found = re.search(
            r"transfer-syntax=\"?1\.2\.840\.10008\.1\.2\.?([0-9.]*)", answer.headers["content-type"]
        )
    return "." + found[1] if found else ""


def _first(attributes: dict[str, dict[str, list[str]]], tag: str) -> str:
    return (attributes.get(tag, {}).get("Value") or [""])[0]


def _sheet(cells: Sequence[Cell], columns: int) -> Image.Image:
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * (_CELL + 6), rows * (_CELL + _CAPTION)), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for number, cell in enumerate(cells):
        left, top = number % columns * (_CELL + 6), number // columns * (_CELL + _CAPTION)
        if cell.picture is None:
            draw.text((left + 40, top + 60), "no picture", fill=(255, 90, 90))
        else:
            width, height = cell.picture.size
            sheet.paste(cell.picture, (left + (_CELL - width) // 2, top + (_CELL - height) // 2))
        for line, text in enumerate(cell.caption):
            at = (left + 2, top + _CELL + 2 + 14 * line)
            draw.text(at, text, fill=_INK if cell.rendered else _GREY)
    return sheet


if __name__ == "__main__":
    sys.exit(main())
