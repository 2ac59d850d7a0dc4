"""Exported files: whole or absent, named by UIDs alone, one bad instance never stopping the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomweb.archive.archive import Archive
from dicomweb.archive.export import Exported, every_study, export_study
from dicomweb.catalog.audit import all_instances
from dicomweb.catalog.pool import connection
from dicomweb.dicom.target import Target
from dicomweb.errors import NotFound, Unavailable
from tests.archive.real import empty, run, store
from tests.builders import make_instance, new_uid

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"


async def export(archive: Archive, study: str, directory: Path, *, decoded: bool = False) -> list[Exported]:
    outcomes: list[Exported] = []
    await export_study(archive, Target(study), directory, decoded=decoded, report=outcomes.append)
    return outcomes


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def test_no_text_but_a_uid_becomes_a_path(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        for hostile in ("../../../escaped", "..", "/etc/escaped", "1.2/../../3", ""):
            await empty(archive)
            study = new_uid()
            await store(archive, make_instance(study_instance_uid=study))
            async with connection(archive.pool) as db:
                await db.execute("UPDATE series SET series_instance_uid = $1", hostile)
            (outcome,) = await export(archive, study, tmp_path / "a" / "b" / "out")
            assert (outcome.state, outcome.reason) == ("failed", "Its UIDs cannot be file names.")
        assert not (tmp_path / "a").exists()

    run(database_url, tmp_path / "data", scenario)


def test_a_damaged_instance_fails_alone_and_leaves_no_file(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        await empty(archive)
        study = new_uid()
        for _ in range(3):
            await store(archive, make_instance(study_instance_uid=study))
        lost = [source async for page in all_instances(archive.pool) for source in page][1]
        await archive.blobs.delete(lost.blob_key)
        outcomes = await export(archive, study, tmp_path / "out")
        assert sorted(outcome.state for outcome in outcomes) == ["failed", "written", "written"]
        assert len(files(tmp_path / "out")) == 2

    run(database_url, tmp_path / "data", scenario)


def test_pixels_that_cannot_be_decoded_fail_alone(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        await empty(archive)
        study = new_uid()
        bad = make_instance(
            study_instance_uid=study,
            transfer_syntax_uid=JPEG_BASELINE,
            bits_allocated=8,
            codestreams=[b"no JPEG!"],
        )
        await store(archive, bad, make_instance(study_instance_uid=study))
        outcomes = await export(archive, study, tmp_path / "out", decoded=True)
        assert sorted(outcome.state for outcome in outcomes) == ["failed", "written"]
        assert len(files(tmp_path / "out")) == 1
        stored = await export(archive, study, tmp_path / "stored")
        assert [outcome.state for outcome in stored] == ["written", "written"]

    run(database_url, tmp_path / "data", scenario)


def test_a_target_that_is_not_there_and_a_directory_that_cannot_be_made(
    database_url: str, tmp_path: Path
) -> None:
    async def scenario(archive: Archive) -> None:
        await empty(archive)
        with pytest.raises(NotFound):
            await export(archive, "1.2.3", tmp_path / "out")
        study = new_uid()
        await store(archive, make_instance(study_instance_uid=study))
        assert [target.study async for target in every_study(archive)] == [study]
        (tmp_path / "file").touch()
        with pytest.raises(Unavailable, match="cannot be written"):
            await export(archive, study, tmp_path / "file" / "out")

    run(database_url, tmp_path / "data", scenario)
