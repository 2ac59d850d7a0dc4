"""import, export, verify and sweep as a user runs them, with and without a server beside them."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Protocol

import asyncpg
import httpx
import pytest
from click.testing import CliRunner, Result

from dicomweb.archive.file_head import read_head
from dicomweb.cli import cli
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dicomweb.errors import InvalidSettings
from tests.builders import make_instance, new_uid
from tests.run.processes import ROOT, environment, running

# The whole server, not the tiny one that the tests of its processes use.
SERVE = ("dicomweb.cli", "serve")


def command(*arguments: str | Path, data: Path | None = None, database: str = "") -> Result:
    """Run in this process; an error of ours is raised. data: an archive with its own database."""
    where = ["--data", str(data)] if data else []
    where += ["--database-url", database] if database else []
    return CliRunner().invoke(cli, [*map(str, arguments), *where], catch_exceptions=False)


class Command(Protocol):
    """A command on one archive."""

    def __call__(self, *arguments: str | Path) -> Result: ...


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The directory of `here`'s archive."""
    return tmp_path / "data"


@pytest.fixture
def here(database_url: str, data: Path) -> Command:
    """Commands on an empty archive whose database runs already."""

    async def empty() -> None:
        db = await asyncpg.connect(database_url)
        await db.execute("TRUNCATE blob, study, tombstone CASCADE")
        await db.close()

    asyncio.run(empty())
    return partial(command, data=data, database=database_url)


def dataset_of(path: Path) -> bytes:
    data = path.read_bytes()
    head = read_head(data)
    assert head is not None
    return data[head.dataset_offset :]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two studies of three instances, one of them implicit, and three files that are something else."""
    folder = tmp_path / "files"
    (folder / "deep").mkdir(parents=True)
    for study in (new_uid(), new_uid()):
        for syntax in (EXPLICIT_LITTLE, EXPLICIT_LITTLE, IMPLICIT_LITTLE):
            uid = new_uid()
            data = make_instance(
                study_instance_uid=study, sop_instance_uid=uid, transfer_syntax_uid=syntax, rows=40
            )
            (folder / "deep" / uid).write_bytes(data)
    (folder / "notes.txt").write_text("no DICOM")
    (folder / "broken.dcm").write_bytes(make_instance()[:300])
    (folder / "nameless.dcm").write_bytes(make_instance(attributes={"StudyInstanceUID": None}))
    return folder


def test_a_folder_goes_in_and_comes_out_again(files: Path, here: Command, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    first = here("import", files, "--report", report)
    assert first.exit_code == 1
    assert first.stdout.startswith("6 stored (")
    with report.open(newline="") as rows:
        listed = {Path(row["path"]).name: (row["result"], row["reason"]) for row in csv.DictReader(rows)}
    assert listed["notes.txt"] == ("passed", "not a DICOM file")
    assert {name: result for name, (result, _) in listed.items()} == {
        "notes.txt": "passed",
        "broken.dcm": "refused",
        "nameless.dcm": "refused",
    }
    assert "Study Instance UID" in listed["nameless.dcm"][1]

    again = here("import", files / "deep")
    assert (again.exit_code, again.stdout.splitlines()[1]) == (0, "6 were there already")
    verified = here("verify", "--json", "--grace-hours", "0")
    assert verified.exit_code == 0
    assert json.loads(verified.stdout)["instances"] == 6

    out = tmp_path / "out"
    assert here("export", out).exit_code == 0
    exported = {path.stem: path for path in out.rglob("*.dcm")}
    assert exported.keys() == {path.name for path in (files / "deep").iterdir()}
    for path in (files / "deep").iterdir():
        assert dataset_of(exported[path.name]) == dataset_of(path)
        assert len(exported[path.name].relative_to(out).parts) == 3


def test_an_export_goes_on_where_it_was_torn(files: Path, here: Command, tmp_path: Path) -> None:
    here("import", files / "deep")
    out = tmp_path / "out"
    here("export", out)
    lost, torn, *_ = sorted(out.rglob("*.dcm"))
    whole = torn.read_bytes()
    lost.rename(lost.with_name(lost.name + ".partial"))
    torn.write_bytes(whole[:-10])
    result = here("export", out)
    assert result.stdout.splitlines()[0].startswith("2 written")
    assert result.stdout.splitlines()[1] == "4 were there already"
    assert torn.read_bytes() == whole
    assert len(list(out.rglob("*.dcm"))) == 6
    assert not list(out.rglob("*.partial"))


def test_an_export_may_be_narrowed_and_decoded(files: Path, here: Command, tmp_path: Path) -> None:
    here("import", files / "deep")
    out = tmp_path / "out"
    here("export", out)
    one, other = sorted(path.name for path in out.iterdir())

    chosen = tmp_path / "chosen"
    here("export", chosen, "--study", one, "--transfer-syntax", EXPLICIT_LITTLE)
    assert [path.name for path in chosen.iterdir()] == [one]
    for path in chosen.rglob("*.dcm"):
        head = read_head(path.read_bytes())
        assert head is not None
        assert head.transfer_syntax_uid == EXPLICIT_LITTLE

    found = tmp_path / "found"
    query = ("--query", f"StudyInstanceUID={other}", "--query", "PatientName=Builder*")
    assert here("export", found, *query).exit_code == 0
    assert [path.name for path in found.iterdir()] == [other]

    missing = here("export", found, "--study", "1.2.3")
    assert missing.exit_code == 1
    for wrong in (("--query", "StudyDate=soon"), ("--query", "Nonsense=1"), ("--study", "../x")):
        with pytest.raises(InvalidSettings):
            here("export", found, *wrong)


def test_verify_tells_damage_and_sweep_removes_what_is_left_over(
    files: Path, here: Command, data: Path
) -> None:
    here("import", files / "deep")
    blobs = data / "blobs"
    (stored,) = [path for path in blobs.rglob("*") if path.is_file()]
    stray = blobs / "0000" / "000" / ("0" * 25)
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"stray")
    os.utime(stray, (1, 1))
    damaged = bytearray(stored.read_bytes())
    damaged[-1] ^= 1
    stored.write_bytes(damaged)

    result = here("verify", "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert not report["ok"]
    assert sorted(finding["kind"] for finding in report["findings"]) == ["stray blob", "wrong checksum"]
    assert "wrong checksum: /studies/" in here("verify").stdout

    dry = here("sweep", "--dry-run")
    assert "1 objects without an instance would be removed" in dry.stdout
    assert stray.exists()
    assert "1 objects without an instance removed" in here("sweep").stdout
    assert not stray.exists()
    assert stored.exists()


def test_imports_beside_a_running_server_and_over_http(
    files: Path, archive_directory: Path, tmp_path: Path
) -> None:
    journal = ("--journal", tmp_path / "journal")
    with running(archive_directory, command=SERVE) as server:
        base = server.url.rstrip("/") + "/dicomweb"
        some = sorted((files / "deep").iterdir())[:3]
        beside = command("import", *some, data=archive_directory)
        assert beside.stdout.startswith("3 stored")
        sent = command("import", files, "--url", base, *journal)
        assert sent.stdout.splitlines()[0].startswith("6 stored")
        assert sent.exit_code == 1
        assert "1 x The Study Instance UID is missing." in sent.stdout
        assert "6 were there already" in command("import", files, "--url", base, *journal).stdout
        counted = httpx.get(base + "/instances", headers={"Accept": "application/dicom+json"}, timeout=60)
        assert len(counted.json()) == 6
        assert command("verify", data=archive_directory).exit_code == 0


def test_an_import_killed_at_any_moment_is_finished_by_the_next(
    archive_directory: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(600):
        (folder / f"{number}.dcm").write_bytes(make_instance(rows=100, columns=100))
    for pause in (1.2, 2.0):
        arguments = [sys.executable, "-m", "dicomweb.cli", "import", str(folder)]
        with subprocess.Popen(
            arguments, cwd=ROOT, env=environment(archive_directory), stdout=subprocess.DEVNULL
        ) as process:
            time.sleep(pause)
            process.send_signal(signal.SIGKILL)
    assert command("import", folder, data=archive_directory).exit_code == 0
    verified = command("verify", "--json", data=archive_directory)
    assert json.loads(verified.stdout)["instances"] == 600
    assert verified.exit_code == 0


def test_wrong_arguments_are_said_plainly(files: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="--header"):
        command("import", files, "--url", "http://127.0.0.1:1", "--header", "x", "--journal", tmp_path / "j")
    with pytest.raises(InvalidSettings, match="--report"):
        command("import", files, "--report", tmp_path / "missing" / "report.csv")
