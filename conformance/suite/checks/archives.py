"""ZIP archives, down and up (PS3.18 as of Supplement 211)."""

from __future__ import annotations

import io
import re
import zipfile

from conformance.suite.check import Failed, expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.library import library
from conformance.suite.checks.retrieve import one_file
from conformance.suite.multipart import BOUNDARY, write_related
from conformance.suite.objects import Instance, make, native_image
from conformance.suite.part10 import EXPLICIT
from conformance.suite.reader import read_file
from conformance.suite.session import STORED, Session

ZIP = "application/zip"


def _archive(session: Session, path: str, query: str = "", accept: str = ZIP) -> dict[str, bytes]:
    """Names and contents of the files of a ZIP answer."""
    response = session.get(path, query=query, accept=accept)
    expect_equal(response.status_code, 200, f"{path[-12:]} as {accept}")
    expect(
        response.headers.get("content-type", "").startswith(ZIP), f"{response.headers.get('content-type')}"
    )
    return _files(response.content)


def _files(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            expect(archive.testzip() is None, "a wrong checksum")
            return {name: archive.read(name) for name in archive.namelist()}
    except zipfile.BadZipFile as error:
        raise Failed(f"no ZIP archive: {error}") from error


@shows("M-08")
def studies_series_and_instances_as_zip(session: Session) -> str:
    alpha = library(session).alpha
    for path, wanted in ((alpha[0].study_path, 3), (alpha[0].series_path, 2), (alpha[0].path, 1)):
        files = _archive(session, path)
        found = {read_file(content).elements()[0x00080018].text for content in files.values()}
        sops = {one.sop for one in alpha if one.path.startswith(path)}
        expect_equal((len(files), found), (wanted, sops), "files and instances")
        for name in files:
            safe = not name.startswith("/") and ".." not in name.split("/") and "\\" not in name
            expect(safe, f"a name of {name!r}")
        syntaxes = {read_file(content).transfer_syntax_uid for content in files.values()}
        expect_equal(syntaxes, {EXPLICIT}, "transfer syntaxes")
    image = pictures.compressed(session, "90")
    (content,) = _archive(session, image.path, accept=f"{ZIP}; transfer-syntax={EXPLICIT}").values()
    expect_equal(read_file(content).transfer_syntax_uid, EXPLICIT, "with transfer-syntax")
    (content,) = _archive(session, image.path, accept=f"{ZIP}; transfer-syntax=*").values()
    expect_equal(read_file(content).transfer_syntax_uid, image.transfer_syntax_uid, "with transfer-syntax=*")
    again = [session.get(alpha[0].study_path, accept=ZIP) for _ in range(2)]
    expect(again[0].content == again[1].content, "two answers differ")
    named = again[0].headers.get("content-disposition", "")
    expect("filename" in named, f"Content-Disposition {named or 'absent'}")
    return f"3, 2, 1 files; {named}"


@shows("M-08")
def zip_with_a_dicomdir(session: Session) -> str:
    alpha = library(session).alpha
    files = _archive(session, alpha[0].study_path, "dicomdir=true")
    expect("DICOMDIR" in files, f"files {sorted(files)[:4]}")
    directory = read_file(files["DICOMDIR"])
    expect_equal(directory.meta[0x00020002].text, "1.2.840.10008.1.3.10", "its SOP Class")
    records = directory.elements()[0x00041220].items or ()
    named = ["/".join(one[0x00041500].text.split("\\")) for one in records if 0x00041500 in one]
    expect_equal(sorted(named), sorted(set(files) - {"DICOMDIR"}), "Referenced File IDs")
    steps = [step for name in named for step in name.split("/")]
    expect(all(re.fullmatch("[A-Z0-9_]{1,8}", step) for step in steps), f"File IDs {named[:3]}")
    kinds = sorted({one[0x00041430].text for one in records})
    expect({"PATIENT", "STUDY", "SERIES"} <= set(kinds), f"records {kinds}")
    return f"{len(records)} records that name {len(named)} files"


def _zip(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _made(session: Session, count: int) -> list[Instance]:
    made = [native_image(session) for _ in range(count)]
    session.studies.update(one.study for one in made)
    return made


@shows("S-14")
def zip_archives_are_stored(session: Session) -> str:
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        one, two = _made(session, 2)
        files = {"a/b/one.dcm": one.data, "two": two.data, "a/": b"", "DICOMDIR": b"x" * 200}
        answer = session.store_body(_zip(files, compression), ZIP)
        expect(answer.status in (200, 202), f"status {answer.status}")
        expect_equal(sorted(answer.stored), sorted([one.sop, two.sop]), "stored")
        for instance in (one, two):
            expect(one_file(session, instance, STORED).dataset == instance.dataset, "other bytes")
    back = _archive(session, one.study_path)
    answer = session.store_body(_zip(back), ZIP)
    expect_equal((answer.status, answer.stored), (200, [one.sop]), "what was downloaded, uploaded again")
    return "stored and deflated, in folders, a DICOMDIR passed over; a downloaded one goes up again"


@shows("S-14", "B-04", bad_input=True)
def broken_zip_archives_are_refused(session: Session) -> str:
    (good,) = _made(session, 1)
    whole = _zip({"one": good.data})
    bomb = _zip({"bomb": bytes(300 << 20)})
    cases = {
        "no ZIP": b"PK\3\4nonsense" * 20,
        "empty": b"",
        "cut off": whole[: len(whole) // 2],
        "a bomb": bomb,
    }
    seen = []
    for what, body in cases.items():
        status = session.store_body(body, ZIP).status
        expect(400 <= status < 500, f"{what}: {status}")
        seen.append(f"{what} {status}")
    mixed = session.store_body(_zip({"notes.txt": b"hello" * 50, "one": good.data}), ZIP)
    expect_equal((mixed.status, mixed.stored), (202, [good.sop]), "a text file beside an instance")
    return ", ".join(seen) + "; a text file beside an instance 202"


@shows("S-14", "S-25")
def put_replaces_what_is_there(session: Session) -> str:
    first = make(session, StudyDescription="before")
    session.stored(first)
    second = make(session, study=first.study, series=first.series, sop=first.sop, StudyDescription="after")
    body = write_related([({"Content-Type": "application/dicom"}, second.data)])
    response = session.send(
        "PUT",
        first.study_path,
        accept="application/dicom+json",
        headers={"Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'},
        content=body,
    )
    if response.status_code == 405:
        return "PUT is not offered: 405"
    expect_equal(response.status_code, 200, "status")
    (found,) = session.metadata(first.path)
    expect_equal(found["00081030"]["Value"], ["after"], "Study Description")
    return "the new content is served"
