"""Synthetic studies by number: the same number is always the same study, whoever asks for it.

Names, dates and numbers are spread as in a hospital's archive: few family names are very common, patients
have several studies, most studies are of CT and radiography. No one of them exists.
"""

from __future__ import annotations

import datetime
import struct
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from blake3 import blake3
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from benchmarks.objects import CT_IMAGE, part10

# Numbers of twelve digits: all UIDs are equally long, so that one can take the place of another.
_FIRST = 10**11
_ROOT = "1.2.826.0.1.3680043.10.1338"
_STUDIES_A_PATIENT = 3
_NEWEST = datetime.date(2026, 10, 31)
_DAYS = 15 * 365
_OPENS, _CLOSES = 6 * 3600, 22 * 3600
_FIRST_BIRTH = datetime.date(1930, 1, 1)
_FAMILIES = 40_000
_WORDS = struct.Struct("<8I")

_MR, _PET = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.128"
_DX, _US, _MG = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.1.2"


@dataclass(frozen=True, slots=True)
class SeriesKind:
    """A series as its kind of study has it."""

    modality: str
    sop_class: str
    description: str


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
        (SeriesKind("CT", CT_IMAGE, "Topogram"), SeriesKind("CT", CT_IMAGE, "Axial 5 mm")),
    ),
    Kind(
        20,
        "MR Schädel",
        "HEAD",
        (SeriesKind("MR", _MR, "t2_tse_tra"), SeriesKind("MR", _MR, "t1_mprage_sag")),
    ),
    Kind(
        30,
        "Thorax in 2 Ebenen",
        "CHEST",
        (SeriesKind("DX", _DX, "p.a."), SeriesKind("DX", _DX, "lateral")),
    ),
    Kind(15, "Sonographie Abdomen", "ABDOMEN", (SeriesKind("US", _US, ""),)),
    Kind(
        5,
        "Mammography screening",
        "BREAST",
        (SeriesKind("MG", _MG, "R CC"), SeriesKind("MG", _MG, "L CC")),
    ),
    Kind(
        2,
        "PET/CT whole body",
        "WHOLEBODY",
        (SeriesKind("CT", CT_IMAGE, "CT AC"), SeriesKind("PT", _PET, "PET WB")),
    ),
)
_SHARES = tuple(accumulate(kind.share for kind in KINDS))

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
    kind, day, early, late, family, given, *_ = _draws(b"study", number)
    patient = number // _STUDIES_A_PATIENT
    date = _NEWEST - datetime.timedelta(days=int(_DAYS * day**1.5))
    # The sum of two draws is most often in the middle: noon.
    seconds = int(_OPENS + (_CLOSES - _OPENS) * (early + late) / 2)
    name, birth, sex = _person(patient)
    return Study(
        uid=study_uid(number),
        kind=KINDS[bisect(_SHARES, 100 * kind)],
        patient_name=name,
        patient_id=f"P{patient:09d}",
        patient_birth_date=birth,
        patient_sex=sex,
        study_date=f"{date:%Y%m%d}",
        study_time=f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}",
        accession_number=f"A{number:010d}",
        study_id=str(number % 100_000),
        referring_physician_name=f"{_family(int(2000 * family))}^{_given(given)}^^Dr.",
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
    rank, given, age, sex, *_ = _draws(b"patient", patient)
    # The n-th most common family name has a share of about 1/n, as in most countries.
    family = _family(int(_FAMILIES**rank))
    birth = _FIRST_BIRTH + datetime.timedelta(days=int(90 * 365 * age))
    return f"{family}^{_given(given)}", f"{birth:%Y%m%d}", "FM"[int(2 * sex)]


def _given(draw: float) -> str:
    return _GIVEN[int(len(_GIVEN) * draw)]


@cache
def _family(rank: int) -> str:
    draws = _draws(b"family", rank)
    return "".join(_SYLLABLES[int(len(_SYLLABLES) * draw)] for draw in draws[:3]).capitalize()


def _draws(of: bytes, number: int) -> Sequence[float]:
    """Eight numbers in [0, 1) that depend on what they are of alone; random.Random takes longer."""
    return [word / (1 << 32) for word in _WORDS.unpack(blake3(b"%b %d" % (of, number)).digest())]


def instances(one: Study) -> Iterator[tuple[str, bytes]]:
    """SOP Instance UIDs and Part 10 objects of a study: of each series one, which is its header alone."""
    for number, kind in enumerate(one.kind.series, 1):
        dataset = _dataset(one, number, kind)
        yield dataset.SOPInstanceUID, part10(dataset, ExplicitVRLittleEndian)


def _dataset(one: Study, series: int, kind: SeriesKind) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind.sop_class, one.instance_uid(series, 1)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = one.uid, one.series_uid(series)
    dataset.PatientName, dataset.PatientID = one.patient_name, one.patient_id
    dataset.PatientBirthDate, dataset.PatientSex = one.patient_birth_date, one.patient_sex
    dataset.StudyDate, dataset.StudyTime = one.study_date, one.study_time
    dataset.AccessionNumber, dataset.StudyID = one.accession_number, one.study_id
    dataset.ReferringPhysicianName = one.referring_physician_name
    dataset.StudyDescription, dataset.BodyPartExamined = one.kind.description, one.kind.body_part
    dataset.Modality, dataset.SeriesNumber = kind.modality, series
    dataset.SeriesDescription, dataset.InstanceNumber = kind.description, 1
    dataset.ContentDate, dataset.Manufacturer = one.study_date, "Synthetic"
    dataset.StationName = f"{kind.modality}1"
    return dataset
