"""Every real file, and seeded hostile requests, get an answer of rendered resources (R-14, R-20, B-08)."""

from __future__ import annotations

import io
import random
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from tests.web.conftest import Client
from tests.web.shown import cine, gray_image, path_of, report

_FOLDERS = ("modality", "odd", "derived", "charset")
_REQUESTS = 300
_NAMES = (
    *("viewport", "window", "quality", "annotation", "iccprofile", "accept", "charset"),
    *(
        "contentType",
        "transferSyntax",
        "frameNumber",
        "rows",
        "columns",
        "region",
        "windowCenter",
        "windowWidth",
    ),
    *("imageQuality", "anonymize", "presentationUID", "presentationSeriesUID", "requestType", "studyUID", ""),
)
_VALUES = (
    *("", "0", "-1", "1", "64,64", "64,64,,,-10,5", "99999999,99999999", "nan,nan", "1e400,1,linear"),
    *("40,400,linear", "40,.5,sigmoid", "patient,foo", "srgb", "0,0,.5,.5", "image/gif", "application/dicom"),
    *("*/*", "image/jpeg;q=x", "\0", "９", "‮", "<script>", "9" * 3000, ",".join("1" * 400), "%"),
)
_ACCEPTS = (
    *(
        "*/*",
        "image/jpeg",
        "image/gif",
        "image/jxl",
        'multipart/related; type="image/png"',
        "multipart/related",
    ),
    *("text/html", "application/pdf", ";;;", "image/png;transfer-syntax=*", "image/*;q=0, */*", "a/b," * 200),
)


@pytest.mark.parametrize("folder", _FOLDERS)
def test_every_file_has_a_thumbnail_and_a_picture_or_a_reason(
    client: Client, data_dir: Path, folder: str
) -> None:
    shown = 0
    for file in sorted(path for path in (data_dir / folder).rglob("*") if path.is_file()):
        answer = client.store(file.read_bytes())
        if answer.status_code not in (200, 202):
            continue
        path = answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
        rendered, thumbnail = (client.get(f"{path}/{name}") for name in ("rendered", "thumbnail"))
        assert thumbnail.status_code == 200, file
        assert max(Image.open(io.BytesIO(thumbnail.content)).size) <= 128, file
        assert rendered.status_code in (200, 406), (file, rendered.text)
        assert rendered.status_code == 200 or rendered.json()["detail"]
        shown += rendered.status_code == 200
    assert shown, "nothing of the folder was shown"


def test_hostile_requests_are_answered(client: Client) -> None:
    chosen = random.Random(20)
    stored = [gray_image(), cine(), report()]
    assert client.store(*stored).status_code == 200
    for _ in range(_REQUESTS):
        _, _, study, _, series, _, instance = path_of(chosen.choice(stored)).split("/")
        query = "&".join(
            f"{chosen.choice(_NAMES)}={quote(chosen.choice(_VALUES))}" for _ in range(chosen.randint(0, 3))
        )
        named = f"requestType=WADO&studyUID={study}&seriesUID={series}&objectUID={instance}"
        target = f"/studies/{study}/series/{series}/instances/{instance}"
        url = chosen.choice(
            [
                f"{target}/rendered?{query}",
                f"{target}/thumbnail?{query}",
                f"{target}/frames/{quote(chosen.choice(_VALUES)) or 1}/rendered?{query}",
                f"/studies/{study}/rendered?{query}",
                f"http://127.0.0.1:8080/wado?{named}&{query}",
            ]
        )
        response = client.get(url, chosen.choice(_ACCEPTS))
        assert response.status_code in (200, 400, 404, 406, 414), (url, response.text)
