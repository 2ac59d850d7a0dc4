"""Walking folders: every file once, sorted into candidates and others, whatever lies there."""

from __future__ import annotations

import os
from pathlib import Path

from dicomweb.archive.source_files import (
    DICOM_DIRECTORY,
    NOT_DICOM,
    Passed,
    SourceFile,
    count_files,
    find_files,
)
from tests.builders import make_instance

DICOMDIR = "1.2.840.10008.1.3.10"


def test_a_folder_is_sorted_into_candidates_and_others(tmp_path: Path) -> None:
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / "b" / "deep" / "no-suffix").write_bytes(make_instance())
    (tmp_path / "a.dcm").write_bytes(make_instance())
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "empty.dcm").touch()
    (tmp_path / "DICOMDIR").write_bytes(make_instance(sop_class_uid=DICOMDIR, with_pixels=False))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)

    found = list(find_files([tmp_path]))
    candidates = [file.path.name for file in found if isinstance(file, SourceFile)]
    assert candidates == ["a.dcm", "no-suffix"]
    reasons = {file.path.name: file.reason for file in found if isinstance(file, Passed)}
    assert reasons.pop("dangling").startswith("cannot be read")
    assert reasons == {
        "notes.txt": NOT_DICOM,
        "empty.dcm": NOT_DICOM,
        "pipe": NOT_DICOM,
        "DICOMDIR": DICOM_DIRECTORY,
    }
    assert count_files([tmp_path]) == len(found)


def test_a_path_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "one"
    path.write_bytes(make_instance())
    (found,) = find_files([path])
    assert isinstance(found, SourceFile)
    assert found.size == path.stat().st_size
