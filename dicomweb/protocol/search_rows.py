"""Studies, series and instances as a search finds them: what the catalog hands to the writer of results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicomweb.dicom.target import Target
from dicomweb.protocol.next_page import StudyPlace


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A study as search shows it. attributes: DICOM JSON. started_from: as StudyPlace has it."""

    study_instance_uid: str
    modalities: Sequence[str]
    sop_classes: Sequence[str]
    number_of_series: int
    number_of_instances: int
    attributes: bytes
    started_from: int | None = None

    @property
    def place(self) -> StudyPlace:
        """Where it stands in the order of answers."""
        return StudyPlace(self.started_from, self.study_instance_uid)


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """A series as search shows it, with its study."""

    study: StudyRow
    series_instance_uid: str
    number_of_instances: int
    attributes: bytes


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """An instance as search shows it, with its series.

    attributes: what the catalog keeps at hand. metadata: everything, compressed (zstd), where the selection
    needs that, and then attributes are empty. pixel_layout: as PixelLayout.to_json writes it.
    """

    series: SeriesRow
    sop_instance_uid: str
    transfer_syntax_uid: str
    attributes: bytes
    metadata: bytes | None = None
    sop_class_uid: str = ""
    pixel_layout: bytes | None = None


Row = StudyRow | SeriesRow | InstanceRow


def target_of(row: Row) -> Target:
    """What a result names."""
    if isinstance(row, StudyRow):
        return Target(row.study_instance_uid)
    if isinstance(row, SeriesRow):
        return Target(row.study.study_instance_uid, row.series_instance_uid)
    return Target(row.series.study.study_instance_uid, row.series.series_instance_uid, row.sop_instance_uid)
