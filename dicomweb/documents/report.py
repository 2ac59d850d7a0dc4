"""Structured reports, key object selections and CAD results as a page (PS3.3 A.35, C.17)."""

from __future__ import annotations

from dicomweb.documents.attributes import Item
from dicomweb.documents.content_tree import Tree, concept, language_of
from dicomweb.documents.links import Links, links_of
from dicomweb.documents.page import Entry, Page, fact, said
from dicomweb.documents.values import uid_name

# Longest list of other documents or of persons in the head.
_MOST_PARTICIPANTS = 20


def report_page(document: Item, base: str) -> Page:
    """The report as a page. base: URL of the service for the links to what it refers to."""
    links = links_of(document, base)
    return Page(
        title=title_of(document),
        notices=_notices(document),
        facts=[*subject_facts(document), Entry("Document", children=said(_document_facts(document, links)))],
        entries=Tree(links).entries(document),
        language=language_of(document),
    )


def title_of(document: Item) -> str:
    """The name that the document gives itself, else the kind of object that it is."""
    return (
        concept(document.item("ConceptNameCodeSequence"))
        or document.text("DocumentTitle")
        or uid_name(document.code("SOPClassUID")).removesuffix(" Storage")
        or "DICOM object"
    )


def _notices(document: Item) -> list[str]:
    """What keeps the document from being taken for the final word (PS3.3 C.17.2)."""
    states = (
        (document.code("PreliminaryFlag") == "PRELIMINARY", "Preliminary"),
        (document.code("CompletionFlag") == "PARTIAL", "Partial"),
        (document.code("VerificationFlag") == "UNVERIFIED", "Not verified"),
    )
    return [text for holds, text in states if holds]


def subject_facts(document: Item) -> list[Entry]:
    """Patient, study and series: the head of every document."""
    patient = [
        fact("Name", document.text("PatientName")),
        fact("ID", document.text("PatientID")),
        fact("Birth date", document.text("PatientBirthDate")),
        fact("Sex", document.text("PatientSex")),
        fact("Age", document.text("PatientAge")),
    ]
    study = [
        fact("Description", document.text("StudyDescription")),
        fact("Date", " ".join(filter(None, (document.text("StudyDate"), document.text("StudyTime"))))),
        fact("Accession number", document.text("AccessionNumber")),
        fact("Referring physician", document.text("ReferringPhysicianName")),
        fact("Institution", document.text("InstitutionName")),
        fact("Series", document.text("SeriesDescription")),
    ]
    groups = (Entry("Patient", children=said(patient)), Entry("Study", children=said(study)))
    return [group for group in groups if group.children]


def _document_facts(document: Item, links: Links) -> list[Entry]:
    written = " ".join(filter(None, (document.text("ContentDate"), document.text("ContentTime"))))
    return [
        fact("Written", written),
        fact("State", _state(document)),
        fact(
            "Manufacturer", " ".join(document.texts("Manufacturer") + document.texts("ManufacturerModelName"))
        ),
        *_persons(document),
        *_predecessors(document, links),
    ]


def _state(document: Item) -> str:
    flags = ("CompletionFlag", "VerificationFlag", "PreliminaryFlag")
    said_states = [document.text(keyword).lower() for keyword in flags]
    reason = document.text("CompletionFlagDescription")
    return ", ".join(filter(None, [*said_states, reason]))


def _persons(document: Item) -> list[Entry]:
    """Who verified, wrote or took part (PS3.3 C.17.2, C.17.2.4)."""
    verified = [
        fact(
            "Verified by",
            item.text("VerifyingObserverName"),
            " ".join(filter(None, (item.text("VerifyingOrganization"), item.text("VerificationDateTime")))),
        )
        for item in document.items("VerifyingObserverSequence")[:_MOST_PARTICIPANTS]
    ]
    authors = [
        fact("Author", _person(item), item.text("InstitutionName"))
        for item in document.items("AuthorObserverSequence")[:_MOST_PARTICIPANTS]
    ]
    others = [
        fact(
            item.text("ParticipationType") or "Participant", _person(item), item.text("ParticipationDateTime")
        )
        for item in document.items("ParticipantSequence")[:_MOST_PARTICIPANTS]
    ]
    return [*verified, *authors, *others]


def _person(item: Item) -> str:
    return item.text("PersonName") or item.text("StationName") or item.text("ManufacturerModelName")


def _predecessors(document: Item, links: Links) -> list[Entry]:
    found = []
    for study in document.iterate("PredecessorDocumentsSequence"):
        for series in study.iterate("ReferencedSeriesSequence"):
            for instance in series.iterate("ReferencedSOPSequence"):
                uid = instance.code("ReferencedSOPInstanceUID")
                found.append(Entry("Replaces", "an earlier document", uid, links.instance(uid)))
                if len(found) == _MOST_PARTICIPANTS:
                    return found
    return found
