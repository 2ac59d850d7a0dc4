"""DELETE of study, series and instance: an extension (checklist D-01), and what it leaves behind."""

from __future__ import annotations

from conformance.suite.check import Skipped, expect, expect_equal, shows
from conformance.suite.objects import Instance, make
from conformance.suite.session import JSON, Session, first


def _three(session: Session) -> list[Instance]:
    """Two instances in one series, one in another."""
    one = make(session)
    made = [one, make(session, study=one.study, series=one.series), make(session, study=one.study)]
    session.stored(*made)
    return made


def _delete(session: Session, path: str) -> int:
    status = session.send("DELETE", path).status_code
    if status in (405, 501) or (status == 404 and not session.once("whether DELETE works", _works)):
        raise Skipped(f"DELETE is not offered ({status})")
    return status


def _works(session: Session) -> bool:
    instance = make(session)
    session.stored(instance)
    return session.send("DELETE", instance.study_path).status_code in (200, 204)


@shows("D-01", "Q-58")
def deleting_an_instance_updates_counts(session: Session) -> str:
    made = _three(session)
    status = _delete(session, made[0].path)
    expect(status in (200, 204), f"status {status}")
    study = session.search("/studies", f"StudyInstanceUID={made[0].study}")[0]
    counts = [int(first(study, tag, -1)) for tag in ("00201206", "00201208")]
    expect_equal(counts, [2, 2], "series and instances of the study")
    expect_equal(len(session.search(f"{made[0].series_path}/instances")), 1, "instances of the series")
    return f"{status}, counts fall"


@shows("D-01", "Q-58")
def empty_parents_vanish(session: Session) -> str:
    made = _three(session)
    _delete(session, made[2].series_path)
    expect_equal(len(session.search(f"{made[0].study_path}/series")), 1, "series left")
    for instance in made[:2]:
        _delete(session, instance.path)
    expect_equal(session.search("/studies", f"StudyInstanceUID={made[0].study}"), [], "studies left")
    return "series deleted; with its last instance the study vanishes"


def _less_one(session: Session) -> tuple[Instance, str]:
    """A study of which the instance stored last is deleted: what is left, and the query that finds it."""
    one = make(session, StudyDescription="stays", Modality="CT")
    two = make(session, study=one.study, StudyDescription="goes", Modality="PT")
    session.stored(one)
    session.stored(two)
    _delete(session, two.path)
    return one, f"StudyInstanceUID={one.study}&includefield=StudyDescription"


@shows("D-01", "Q-29")
def modalities_of_deleted_series_are_forgotten(session: Session) -> str:
    _, query = _less_one(session)
    study = session.search("/studies", query)[0]
    expect_equal(study.get("00080061", {}).get("Value"), ["CT"], "ModalitiesInStudy")
    expect_equal(session.search("/studies", f"{query}&ModalitiesInStudy=PT"), [], "found by its modality")
    return "ModalitiesInStudy of what is left"


@shows("D-01", "Q-60")
def what_a_deleted_instance_said_is_forgotten(session: Session) -> str:
    _, query = _less_one(session)
    study = session.search("/studies", query)[0]
    expect_equal(first(study, "00081030"), "stays", "StudyDescription")
    expect_equal(session.search("/studies", f"{query}&StudyDescription=goes"), [], "found by its description")
    return "StudyDescription of what is left"


@shows("D-01", "H-20", "W-61")
def deleted_things_are_gone(session: Session) -> str:
    made = _three(session)
    _delete(session, made[0].study_path)
    seen = set()
    for path in (made[0].path, made[0].path + "/metadata", made[0].path + "/frames/1", made[0].study_path):
        status = session.get(path).status_code
        expect(status in (404, 410), f"GET of a deleted resource: {status}")
        seen.add(status)
    again = session.send("DELETE", made[0].study_path).status_code
    expect(again in (200, 204, 404, 410), f"second DELETE: {again}")
    expect(410 in seen, "404 for what is known to have been deleted")
    return f"410, second DELETE {again}"


@shows("D-01", "S-25")
def deleted_instances_can_be_stored_again(session: Session) -> str:
    made = _three(session)
    _delete(session, made[0].study_path)
    answer = session.store(*made)
    expect_equal(answer.status, 200, "status of the store")
    expect_equal(len(session.metadata(made[0].study_path)), 3, "instances retrieved")
    return "stored and retrieved"


@shows("D-01", "G-11")
def deleting_nothing(session: Session) -> str:
    status = _delete(session, f"/studies/{session.root}.404")
    expect_equal(status, 404, "unknown study")
    expect_equal(session.send("DELETE", "/studies/abc").status_code, 400, "malformed UID")
    return "unknown 404, malformed UID 400"


@shows("H-04", "D-01")
def etag_moves_when_an_instance_is_deleted(session: Session) -> str:
    made = _three(session)
    path = made[0].study_path + "/metadata"
    before = session.get(path, accept=JSON).headers.get("etag")
    _delete(session, made[1].path)
    after = session.get(path, accept=JSON).headers.get("etag")
    expect(before and after and before != after, f"{before} and {after}")
    return "differs"
