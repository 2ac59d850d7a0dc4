"""Five small studies that the search checks look for, told apart by the last letter of their Patient ID."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conformance.suite.objects import MR, Form, Instance, make
from conformance.suite.part10 import attributes
from conformance.suite.session import Attributes, Session, first

POSITRON = "1.2.840.10008.5.1.4.1.1.128"
LATIN = Form(charset="latin-1")
UTF8 = Form(charset="utf-8")


@dataclass(frozen=True, slots=True)
class Library:
    """alpha: two series (CT with two instances, PT with one). The others: one instance each."""

    alpha: Sequence[Instance]
    beta: Instance
    gamma: Instance
    delta: Instance
    epsilon: Instance

    @property
    def studies(self) -> list[str]:
        return [one.study for one in (self.alpha[0], self.beta, self.gamma, self.delta, self.epsilon)]


def library(session: Session) -> Library:
    """The studies, stored at the first use."""
    return session.once("the search library", _store)


def _store(session: Session) -> Library:
    made = Library(_alpha(session), _beta(session), _gamma(session), _delta(session), _epsilon(session))
    session.stored(*made.alpha, made.beta, made.gamma, made.delta, made.epsilon)
    return made


def _alpha(session: Session) -> list[Instance]:
    """Latin-1 name, a request sequence of two items, two modalities."""
    study, ct, pt = session.new_uid(), session.new_uid(), session.new_uid()
    common = attributes(
        AccessionNumber=session.token,
        SpecificCharacterSet="ISO_IR 100",
        PatientName="Müller^Anna Maria",
        PatientID=session.token + "-A",
        IssuerOfPatientID="ISSUER-A",
        OtherPatientIDs=["OLD-1", "OLD-2"],
        PatientBirthDate="19700203",
        PatientSex="F",
        StudyDate="20060705",
        StudyTime="223000",
        StudyID="ID-A",
        ReferringPhysicianName="House^Gregory",
        StudyDescription="100% Chest_A",
        InstitutionName="St. Mary",
        Manufacturer="ACME",
        ManufacturerModelName="Mark 2",
        StationName="ROOM1",
        ContentDate="20060705",
    )
    requests = [
        attributes(ScheduledProcedureStepID="S1", RequestedProcedureID="R1"),
        attributes(ScheduledProcedureStepID="S2", RequestedProcedureID="R2"),
    ]
    ct_series = attributes(
        Modality="CT",
        SeriesNumber="1",
        SeriesDescription="Axial thin",
        BodyPartExamined="CHEST",
        PerformedProcedureStepStartDate="20060705",
        PerformedProcedureStepStartTime="2240",
        RequestAttributesSequence=requests,
        KVP="120.0",
    )
    pt_series = attributes(Modality="PT", SeriesNumber="2", SeriesDescription="Whole body")
    nested = attributes(
        ReferencedImageSequence=[
            attributes(ReferencedSOPClassUID=MR, ReferencedSOPInstanceUID=session.root + ".99.1")
        ],
        EchoTime="17.5",
    )
    return [
        make(session, study=study, series=ct, form=LATIN, extra=common | ct_series | nested),
        make(session, study=study, series=ct, form=LATIN, extra=common | ct_series, InstanceNumber="2"),
        make(session, study=study, series=pt, sop_class=POSITRON, form=LATIN, extra=common | pt_series),
    ]


def _beta(session: Session) -> Instance:
    return make(
        session,
        sop_class=MR,
        PatientName="Doe^John",
        AccessionNumber=session.token,
        PatientID=session.token + "-B",
        StudyDate="20060706",
        StudyTime="0930",
        Modality="MR",
        StudyID="ID-B",
        StudyDescription="100x ChestxA",
        ReferringPhysicianName="Watson^John",
        SeriesNumber="11",
    )


def _gamma(session: Session) -> Instance:
    return make(
        session,
        form=UTF8,
        SpecificCharacterSet="ISO_IR 192",
        AccessionNumber=session.token,
        PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう",
        PatientID=session.token + "-C",
        StudyDate="20060707",
        StudyTime="175959.5",
        StudyID="ID-C",
        StudyDescription="頭部",
    )


def _delta(session: Session) -> Instance:
    """As empty as a sloppy device sends it; only the keys that the suite finds it by."""
    return make(
        session,
        AccessionNumber=session.token,
        PatientID=session.token + "-D",
        PatientName="",
        PatientBirthDate="",
        StudyDate="",
        StudyTime="",
        StudyID="",
        Modality="",
        SeriesNumber="",
        InstanceNumber="",
        without=["PatientSex", "ReferringPhysicianName"],
    )


def _epsilon(session: Session) -> Instance:
    return make(
        session,
        PatientName="Smith^Jane",
        AccessionNumber=session.token,
        PatientID=session.token + "-E",
        StudyDate="20060708",
        StudyTime="100000",
        StudyID="ID-E",
    )


def letters(session: Session, query: str = "", path: str = "/studies") -> str:
    """Which studies of the library a search finds, e.g. 'ABE', each letter once and sorted."""
    library(session)
    results = session.search(path, f"AccessionNumber={session.token}&includefield=PatientID&{query}")
    return "".join(sorted({_letter(result) for result in results}))


def _letter(result: Attributes) -> str:
    return str(first(result, "00100020", "?"))[-1:]
