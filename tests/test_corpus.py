"""Every real file through the whole application: stored, given back bit for bit, every frame decoded.

Runs on the files that pydicom ships, and on the shared data where it is there. Files that share a SOP
Instance UID are stored one after the other, each into an archive that holds no other of them.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy
import pydicom
import pydicom.data
import pytest

from tests.web.conftest import Client, client, make_client, parts

__all__ = ["client", "make_client"]  # fixtures

pytestmark = pytest.mark.filterwarnings("ignore")

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
DECODED = 'multipart/related; type="application/octet-stream"'
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
# Never sent as stored (G-31); what they come back as is compared in tests/dicom/test_explicit.py.
_NEVER_SENT = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.2", None}
# S-21, S-22: no UIDs, no DICOM or cut off, a transfer syntax or class that is not supported, beyond a limit.
_REASONS = {0xA900, 0xC000, 0xC122, 0x0122, 0xA700, 0x0110}

# Files of pydicom that end within an element: refused, since half an object must not pass for a whole one.
_CUT_OFF = {"MR_truncated.dcm", "rtplan_truncated.dcm"}


@dataclass(frozen=True, slots=True)
class Instance:
    """A file that pydicom finds to be an instance."""

    file: Path
    path: str
    sop_instance_uid: str
    transfer_syntax_uid: str | None


def _instance(file: Path) -> Instance | None:
    try:
        dataset = pydicom.dcmread(file, force=True, stop_before_pixels=True)
        uids = [str(dataset.get(keyword) or "").strip(" \0") for keyword in _UIDS]
    except Exception:
        return None  # pydicom cannot read it, so it is no oracle for this file
    if not all(0 < len(uid) <= 64 and set(uid) <= set("0123456789.") for uid in uids):
        return None
    study, series, instance, _ = uids
    path = f"/studies/{study}/series/{series}/instances/{instance}"
    return Instance(file, path, instance, dataset.file_meta.get("TransferSyntaxUID"))


def _turns(instances: Iterable[Instance]) -> list[list[Instance]]:
    """So divided that no turn holds a SOP Instance UID twice."""
    turns: list[list[Instance]] = []
    seen: dict[str, int] = defaultdict(int)
    for instance in instances:
        turn = seen[instance.sop_instance_uid]
        seen[instance.sop_instance_uid] += 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(instance)
    return turns


def _bundled_files() -> list[Path]:
    """Those in the wheel: pydicom's own look-up would try to download more."""
    folder = Path(pydicom.data.__file__).parent
    files = [*(folder / "test_files").rglob("*.dcm"), *(folder / "charset_files").rglob("*.dcm")]
    return sorted(file for file in files if file.name not in _CUT_OFF)


@pytest.fixture(scope="module")
def shared_files(data_dir: Path) -> list[Path]:
    with (data_dir / "MANIFEST.csv").open(newline="") as manifest:
        rows = [row["path"] for row in csv.DictReader(manifest)]
    return [data_dir / path for path in rows if not path.startswith("broken/")]


def _stored_in_turns(client: Client, files: Iterable[Path]) -> Iterator[Instance]:
    """Stores every instance; gives each while it is stored."""
    _empty(client)
    instances = [found for found in map(_instance, files) if found is not None]
    for turn in _turns(instances):
        for instance in turn:
            response = client.store(instance.file.read_bytes())
            assert response.status_code in (200, 202), (instance.file.name, response.text[:400])
        yield from turn
        for study in {instance.path.split("/series/")[0] for instance in turn}:
            assert client.request("DELETE", study).status_code == 204


def _empty(client: Client) -> None:
    """Other tests of this module may have left instances."""
    while (found := client.get("/studies")).status_code == 200:
        for study in found.json():
            assert client.request("DELETE", study["00081190"]["Value"][0]).status_code == 204


def _dataset_bytes(data: bytes) -> bytes:
    """What follows group 2."""
    if data[128:132] != b"DICM":
        return data
    if data[132:136] != b"\x02\x00\x00\x00":
        return _without_counted_group(data[132:])
    return data[144 + int.from_bytes(data[140:144], "little") :]


def _without_counted_group(data: bytes) -> bytes:
    """Group 2 without a group length: skip its elements one by one (all are explicit little endian)."""
    position = 0
    while data[position : position + 2] == b"\x02\x00":
        if data[position + 4 : position + 6] in (b"OB", b"UN"):
            position += 12 + int.from_bytes(data[position + 8 : position + 12], "little")
        else:
            position += 8 + int.from_bytes(data[position + 6 : position + 8], "little")
    return data[position:]


def _check_round_trip(client: Client, files: Iterable[Path]) -> int:
    compared = 0
    for instance in _stored_in_turns(client, files):
        assert client.get(instance.path + "/metadata").status_code == 200, instance.file.name
        response = client.get(instance.path, AS_STORED)
        assert response.status_code == 200, (instance.file.name, response.text[:300])
        ((_, got),) = parts(response)
        if instance.transfer_syntax_uid not in _NEVER_SENT:
            assert _dataset_bytes(got) == _dataset_bytes(instance.file.read_bytes()), instance.file.name
            compared += 1
    return compared


def test_every_file_that_pydicom_ships_comes_back_bit_for_bit(client: Client) -> None:
    assert _check_round_trip(client, _bundled_files()) > 40


def test_every_shared_file_comes_back_bit_for_bit(client: Client, shared_files: list[Path]) -> None:
    assert _check_round_trip(client, shared_files) > 300


def test_files_that_are_no_instances_get_a_reason(client: Client, shared_files: list[Path]) -> None:
    refused = 0
    for file in shared_files:
        if _instance(file) is not None or file.suffix in (".gz", ".json", ".txt", ".csv", ".md"):
            continue
        response = client.store(file.read_bytes())
        assert response.status_code in (200, 202, 409), (file.name, response.text[:300])
        if response.status_code == 409:
            refused += 1
            report = response.json()
            items = [
                *report.get("00081198", {}).get("Value", []),
                *report.get("0008119A", {}).get("Value", []),
            ]
            assert {item["00081197"]["Value"][0] for item in items} <= _REASONS, file.name
            assert all(item["00741048"]["Value"][0]["00000902"]["Value"][0] for item in items), file.name
    assert refused > 0


def test_every_hostile_file_gets_an_answer_and_the_archive_serves_on(client: Client, data_dir: Path) -> None:
    files = [file for file in sorted((data_dir / "broken").rglob("*")) if file.is_file()]
    assert len(files) > 200
    for file in files:
        response = client.store(file.read_bytes())
        assert response.status_code < 500, (file.name, response.text[:300])
        for item in response.json().get("00081199", {}).get("Value", []):
            _read_everything(client, item["00081190"]["Value"][0], file.name)
    assert client.get("/studies?limit=1").status_code in (200, 204)


def _read_everything(client: Client, url: str, name: str) -> None:
    """Whatever a hostile file holds, reading it is answered, and never with a fault of the server."""
    for suffix, accept in (
        ("/metadata", ""),
        ("", AS_STORED),
        ("", "application/dicom"),
        ("/frames/1", DECODED),
    ):
        response = client.get(url + suffix, accept)
        assert response.status_code < 500, (name, suffix, accept, response.text[:300])


@dataclass(frozen=True, slots=True)
class Row:
    """A line of pixels.csv: what one frame must decode to."""

    frame: int
    sha256: str
    bits_allocated: int
    pixels: int


@pytest.fixture(scope="module")
def expected_frames(data_dir: Path) -> dict[Path, list[Row]]:
    """Lossless rows of pixels.csv by file."""
    found: dict[Path, list[Row]] = defaultdict(list)
    with (data_dir / "pixels.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            if row["lossy"] == "no" and row["sha256"]:
                expected = Row(
                    int(row["frame"]), row["sha256"], int(row["bits_allocated"]), int(row["bytes"])
                )
                found[data_dir / row["path"]].append(expected)
    return found


def test_every_lossless_frame_is_bit_exact(client: Client, expected_frames: dict[Path, list[Row]]) -> None:
    checked, different = 0, []
    for instance in _stored_in_turns(
        client, [file for file in expected_frames if "broken" not in file.parts]
    ):
        rows = expected_frames[instance.file]
        for start in range(0, len(rows), 50):
            some = rows[start : start + 50]
            numbers = ",".join(str(row.frame) for row in some)
            response = client.get(f"{instance.path}/frames/{numbers}", DECODED)
            assert response.status_code == 200, (instance.file.name, numbers, response.text[:300])
            for row, (_, got) in zip(some, parts(response), strict=True):
                checked += 1
                if hashlib.sha256(_hashed_form(got, row)).hexdigest() != row.sha256:
                    different.append((instance.file.name, row.frame, len(got), row.pixels))
    assert not different, f"{len(different)} of {checked} frames differ: {different[:20]}"
    assert checked > 400


def _hashed_form(frame: bytes, row: Row) -> bytes:
    """1-bit frames were hashed unpacked, one byte a pixel."""
    if row.bits_allocated != 1:
        return frame
    return numpy.unpackbits(numpy.frombuffer(frame, "u1"), bitorder="little")[: row.pixels].tobytes()
