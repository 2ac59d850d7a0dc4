"""DICOMDIR: pydicom finds its way through it to every instance."""

from __future__ import annotations

import io
from pathlib import Path

import orjson
import pydicom
from pydicom import fileset
from pydicom.dataset import Dataset

from dicomweb.dicom.dicomdir import MEDIA_STORAGE_DIRECTORY, Dicomdir, record_type
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from dicomweb.dicom.write import read_json
from tests.builders import make_instance, new_uid


def test_every_record_is_found_and_leads_to_its_file(tmp_path: Path) -> None:
    study, series = new_uid(), [new_uid() for _ in range(3)]
    directory = Dicomdir("1.2.3")
    want: dict[str, str] = {}
    for number, uid in enumerate(series, 1):
        for place in range(1, 1 + number):
            data = make_instance(
                study_instance_uid=study,
                series_instance_uid=uid,
                attributes={
                    "SpecificCharacterSet": "ISO_IR 192",
                    "InstanceNumber": place,
                    "PatientName": "Bauer^Jürgen=鲍尔",
                },
            )
            dataset = pydicom.dcmread(io.BytesIO(data))
            file_id = ("DICOM", f"S{number:07}", f"I{place:07}")
            path = tmp_path.joinpath(*file_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            want[dataset.SOPInstanceUID] = str(path)
            attributes = read_json(
                orjson.dumps(dataset.to_json_dict(bulk_data_element_handler=lambda _: "x"))
            )
            directory.add(attributes, file_id, EXPLICIT_LITTLE, has_pixels=True)
    (tmp_path / "DICOMDIR").write_bytes(directory.file())
    written = pydicom.dcmread(tmp_path / "DICOMDIR")
    assert written.file_meta.MediaStorageSOPClassUID == MEDIA_STORAGE_DIRECTORY
    assert written.DirectoryRecordSequence[0].PatientName == "Bauer^Jürgen=鲍尔"
    (patient,) = _entity(written, written.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity)
    (record,) = _below(written, patient)
    assert record.StudyInstanceUID == study
    found = _below(written, record)
    assert [one.SeriesInstanceUID for one in found] == series
    leaves = [leaf for one in found for leaf in _below(written, one)]
    assert [leaf.InstanceNumber for leaf in leaves] == [1, 1, 2, 1, 2, 3]
    assert {leaf.DirectoryRecordType for leaf in leaves} == {"IMAGE"}
    assert want == {
        leaf.ReferencedSOPInstanceUIDInFile: str(tmp_path.joinpath(*leaf.ReferencedFileID)) for leaf in leaves
    }


def _below(directory: Dataset, record: Dataset) -> list[Dataset]:
    return _entity(directory, record.OffsetOfReferencedLowerLevelDirectoryEntity)


def _entity(directory: Dataset, offset: int) -> list[Dataset]:
    """The records that are chained from an offset on. (FileSet would leave a directory behind.)"""
    items = {one.seq_item_tell: one for one in directory.DirectoryRecordSequence}
    found = []
    while offset:
        found.append(items[offset])
        offset = items[offset].OffsetOfTheNextDirectoryRecord
    return found


def test_what_is_missing_is_written_empty_and_what_is_long_too() -> None:
    directory = Dicomdir("1.2.3")
    directory.add(
        {"00081030": {"vr": "LO", "BulkDataURI": "/somewhere"}, "0020000E": {"vr": "UI", "Value": ["1.2"]}},
        ("A", "B"),
        EXPLICIT_LITTLE,
        has_pixels=False,
    )
    patient, study, series, leaf = pydicom.dcmread(io.BytesIO(directory.file())).DirectoryRecordSequence
    assert patient.PatientID is None or patient.PatientID == ""
    assert study.StudyDescription in (None, "")
    assert series.SeriesInstanceUID == "1.2"
    assert (leaf.DirectoryRecordType, list(leaf.ReferencedFileID)) == ("RAW DATA", ["A", "B"])


def test_an_empty_directory_is_one_too() -> None:
    written = pydicom.dcmread(io.BytesIO(Dicomdir("1.2.3").file()))
    assert list(written.DirectoryRecordSequence) == []


def test_record_types_are_those_that_pydicom_knows() -> None:
    known = fileset._FOUR_LEVEL_SOP_CLASSES
    assert {str(uid): record_type(str(uid), has_pixels=False) for uid in known} == {
        str(uid): kind for uid, kind in known.items()
    }
    assert record_type("1.2.840.10008.5.1.4.1.1.2", has_pixels=True) == "IMAGE"
    assert record_type("1.2.840.10008.5.1.4.1.1.104.1", has_pixels=False) == "ENCAP DOC"
    assert record_type("1.2.840.10008.5.1.4.1.1.481.5", has_pixels=False) == "RT PLAN"
    assert record_type("1.2.3", has_pixels=True) == "IMAGE"
