"""Synthetic studies by number: the same number is always the same study, whoever asks for it.

Names, dates and numbers are spread as in a hospital's archive: few family names are very common, patients
have several studies, most studies are of CT and radiography. No one of them exists.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from benchmarks.objects import CT_IMAGE, part10

# Numbers of twelve digits: all UIDs are equally long, so that one can take the place of another.
_FIRST = 10**11
_ROOT = "1.2.826.0.1.3680043.10.1338"
_STUDIES_A_PATIENT = 3
_NEWEST = datetime.date(2026, 10, 31)
_DAYS = 15 * 365

_MR, _PET = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.128"
_DX, _US, _MG = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.1.2"


@dataclass(frozen=True, slots=True)
class SeriesKind:
    """A series as its kind of study has it."""

    modality: str
    sop_class: str
    description: str
    instances: int
    side: int


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of study. share: of a hundred studies."""

    share: int
    description: str
    body_part: str
    series: tuple[SeriesKind, ...]


KINDS = (
    Kind(
        28,
        "CT Thorax/Abdomen",
        "CHEST",
        (SeriesKind("CT", CT_IMAGE, "Topogram", 1, 512), SeriesKind("CT", CT_IMAGE, "Axial 5 mm", 3, 512)),
    ),
    Kind(
        20,
        "MR Schädel",
        "HEAD",
        (SeriesKind("MR", _MR, "t2_tse_tra", 2, 256), SeriesKind("MR", _MR, "t1_mprage_sag", 2, 256)),
    ),
    Kind(
        30,
        "Thorax in 2 Ebenen",
        "CHEST",
        (SeriesKind("DX", _DX, "p.a.", 1, 2048), SeriesKind("DX", _DX, "lateral", 1, 2048)),
    ),
    Kind(15, "Sonographie Abdomen", "ABDOMEN", (SeriesKind("US", _US, "", 3, 640),)),
    Kind(
        5,
        "Mammography screening",
        "BREAST",
        (SeriesKind("MG", _MG, "R CC", 1, 3328), SeriesKind("MG", _MG, "L CC", 1, 3328)),
    ),
    Kind(
        2,
        "PET/CT whole body",
        "WHOLEBODY",
        (SeriesKind("CT", CT_IMAGE, "CT AC", 2, 512), SeriesKind("PT", _PET, "PET WB", 2, 168)),
    ),
)
_SHARES = tuple(kind.share for kind in KINDS)

_SYLLABLES = tuple(
    "an ber co da el fa gu ha in jo kel lu mar ne or pe quin ro sa tu ul vor wen xi yo zel".split()  # noqa: SIM905
)
_GIVEN = tuple(
    """Anna Ben Clara David Emma Finn Greta Hans Ida Jonas Klara Lukas Mia Noah Olivia Paul Rosa Samuel Thea
    Victor Zoë Jürgen Çelik Søren María Łucja Иван 太郎 지훈 Nikolaos""".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Study:
    """What all instances of a study say, and what kind of study it is."""

    uid: str
    kind: Kind
    patient_name: str
    patient_id: str
    patient_birth_date: str
    patient_sex: str
    study_date: str
    study_time: str
    accession_number: str
    study_id: str
    referring_physician_name: str

    def series_uid(self, series: int) -> str:
        """UID of a series, counted from 1."""
        return f"{self.uid}.{series}"

    def instance_uid(self, series: int, instance: int) -> str:
        """UID of an instance, both counted from 1."""
        return f"{self.uid}.{series}.{instance}"


def study(number: int) -> Study:
    """The study of this number (from 0)."""
    rng, patient = random.Random(number), number // _STUDIES_A_PATIENT
    day = _NEWEST - datetime.timedelta(days=int(_DAYS * rng.random() ** 1.5))
    seconds = int(rng.triangular(6 * 3600, 22 * 3600, 11 * 3600))
    name, birth, sex = _person(patient)
    return Study(
        uid=study_uid(number),
        kind=rng.choices(KINDS, _SHARES)[0],
        patient_name=name,
        patient_id=f"P{patient:09d}",
        patient_birth_date=birth,
        patient_sex=sex,
        study_date=f"{day:%Y%m%d}",
        study_time=f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}",
        accession_number=f"A{number:010d}",
        study_id=str(number % 100_000),
        referring_physician_name=f"{_family(rng.randrange(2000))}^{rng.choice(_GIVEN)}^^Dr.",
    )


def study_uid(number: int) -> str:
    """UID of the study of this number."""
    return f"{_ROOT}.{_FIRST + number}"


def number_of(uid: str) -> int | None:
    """The number of a study; None when the UID is not one of ours."""
    root, _, last = uid.rpartition(".")
    return int(last) - _FIRST if root == _ROOT else None


# Every UID of ours lies between these, in the order of bytes.
UID_BOUNDS = (f"{_ROOT}.", f"{_ROOT}/")


def _person(patient: int) -> tuple[str, str, str]:
    rng = random.Random(-1 - patient)
    # The n-th most common family name has a share of about 1/n, as in most countries.
    family = _family(int(40_000 ** rng.random()))
    birth = datetime.date(1930, 1, 1) + datetime.timedelta(days=rng.randrange(90 * 365))
    return f"{family}^{rng.choice(_GIVEN)}", f"{birth:%Y%m%d}", rng.choice("FM")


@cache
def _family(rank: int) -> str:
    rng = random.Random(f"family {rank}")
    return "".join(rng.choices(_SYLLABLES, k=3)).capitalize()


def instances(one: Study) -> Iterator[tuple[str, bytes]]:
    """SOP Instance UIDs and Part 10 objects of a study, which hold no more than four rows of pixels."""
    for series, kind in enumerate(one.kind.series, 1):
        for instance in range(1, kind.instances + 1):
            dataset = _dataset(one, series, instance, kind)
            yield dataset.SOPInstanceUID, part10(dataset, ExplicitVRLittleEndian)


def _dataset(one: Study, series: int, instance: int, kind: SeriesKind) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind.sop_class, one.instance_uid(series, instance)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = one.uid, one.series_uid(series)
    dataset.PatientName, dataset.PatientID = one.patient_name, one.patient_id
    dataset.PatientBirthDate, dataset.PatientSex = one.patient_birth_date, one.patient_sex
    dataset.StudyDate, dataset.StudyTime = one.study_date, one.study_time
    dataset.ContentDate, dataset.ContentTime = one.study_date, one.study_time
    dataset.AccessionNumber, dataset.StudyID = one.accession_number, one.study_id
    dataset.ReferringPhysicianName = one.referring_physician_name
    dataset.StudyDescription, dataset.BodyPartExamined = one.kind.description, one.kind.body_part
    dataset.Modality, dataset.SeriesDescription, dataset.SeriesNumber = (
        kind.modality,
        kind.description,
        series,
    )
    dataset.Manufacturer, dataset.ManufacturerModelName = "Synthetic", f"Scanner {kind.modality}"
    dataset.InstitutionName, dataset.StationName = "General Hospital", f"{kind.modality}1"
    dataset.InstanceNumber, dataset.ImageType = instance, ["ORIGINAL", "PRIMARY"]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = 4, kind.side
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = np.zeros((4, kind.side), "<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset
