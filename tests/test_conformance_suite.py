"""The conformance suite itself: its lists agree, its runner survives anything, its objects are sound."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pydicom
import pytest
from hypothesis import given
from hypothesis.strategies import binary, lists
from PIL import Image
from pydicom.encaps import generate_frames

from conformance import results
from conformance.__main__ import main
from conformance.suite.check import REGISTRY, Check, Failed, Skipped, expect
from conformance.suite.checks import MODULES
from conformance.suite.checks.json_rules import violations
from conformance.suite.drawn import linear, linear_exact, sigmoid
from conformance.suite.image_files import gif_outline, jpeg_outline, read_picture, read_png
from conformance.suite.multipart import BOUNDARY, read_related, write_related
from conformance.suite.objects import Form, compressed_image, make, native_image, rle_image
from conformance.suite.part10 import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, attributes
from conformance.suite.reader import read_file
from conformance.suite.reporting import exit_code, table, verdicts
from conformance.suite.requirements import Requirement, load
from conformance.suite.runner import Result, run_checks
from conformance.suite.samples import SAMPLES, picture
from conformance.suite.session import Session

REPOSITORY = Path(__file__).resolve().parent.parent
REQUIREMENTS = load()
STATEMENT = (REPOSITORY / "conformance" / "statement.md").read_text()


class Names:
    """UIDs for objects made without a server."""

    token = "C1234567890"

    def __init__(self) -> None:
        self.count = 0

    def new_uid(self) -> str:
        self.count += 1
        return f"2.25.1.{self.count}"


def test_checks_and_requirements_name_each_other() -> None:
    assert MODULES
    for check in REGISTRY.values():
        for id_ in check.requirements:
            assert id_ in REQUIREMENTS, f"{check.name} shows {id_}, which is no requirement"
            assert check.name in REQUIREMENTS[id_].checks, f"{id_} does not list {check.name}"
    for requirement in REQUIREMENTS.values():
        for name in requirement.checks:
            assert name in REGISTRY, f"{requirement.id} lists {name}, which is no check"
            assert requirement.id in REGISTRY[name].requirements


def test_every_module_of_checks_is_taken_in() -> None:
    folder = REPOSITORY / "conformance" / "suite" / "checks"
    with_checks = {path.stem for path in folder.glob("*.py") if "\n@shows(" in path.read_text()}
    assert with_checks <= {module.__name__.rpartition(".")[2] for module in MODULES}


def test_checked_requirements_have_checks_and_no_others_do() -> None:
    for requirement in REQUIREMENTS.values():
        assert bool(requirement.checks) == (requirement.status == "checked"), requirement.id


def test_ids_have_the_form_of_the_checklist() -> None:
    assert all(re.fullmatch(r"[A-Z]-\d\d", id_) for id_ in REQUIREMENTS)


def test_tests_that_show_a_requirement_exist() -> None:
    for requirement in REQUIREMENTS.values():
        for path in requirement.shown_by:
            assert (REPOSITORY / path.split("::")[0]).exists(), f"{requirement.id}: {path} is missing"


def test_the_statement_claims_only_what_is_shown() -> None:
    named = set(re.findall(r"\b[A-Z]-\d\d\b", STATEMENT))
    assert named, "the statement names no requirement"
    assert not [id_ for id_ in named if id_ not in REQUIREMENTS]
    later = sorted(id_ for id_ in named if REQUIREMENTS[id_].status == "later")
    claimed = STATEMENT.split("## Not offered")[0]
    assert not [id_ for id_ in later if re.search(rf"\b{id_}\b", claimed)]


def _check(name: str, function: Callable[[Session], str], seconds: float = 5) -> Check:
    return Check(name, ("X-01",), function, seconds, bad_input=False, last=False)


def _session() -> Session:
    return Session("http://127.0.0.1:9", httpx.Client(trust_env=False))


def test_a_failing_crashing_hanging_check_never_stops_the_rest() -> None:
    def fails(session: Session) -> str:
        expect(False, f"seen under {session.root}")
        return ""

    def crashes(session: Session) -> str:
        raise ZeroDivisionError("odd")

    def hangs(session: Session) -> str:
        time.sleep(3)
        return ""

    def skips(session: Session) -> str:
        raise Skipped("cannot judge")

    checks = [
        _check("fails", fails),
        _check("crashes", crashes),
        _check("hangs", hangs, 0.05),
        _check("skips", skips),
        _check("passes", lambda session: "fine"),
    ]
    done: list[Result] = []
    results = run_checks(_session(), checks, done.append)
    outcomes = [result.outcome for result in results.values()]
    assert outcomes == ["FAIL", "FAIL", "FAIL", "skip", "pass"]
    assert results["fails"].seen == "seen under ~"
    assert results["crashes"].seen == "ZeroDivisionError: odd"
    assert [result.check for result in done] == list(results)


def _requirement(level: str, *checks: str) -> Requirement:
    return Requirement("X-01", "1", level, "title", "checked", checks, ())


@pytest.mark.parametrize(
    ("level", "strict", "code"), [("core", False, 1), ("expected", False, 0), ("expected", True, 1)]
)
def test_only_core_failures_count_unless_strict(level: str, strict: bool, code: int) -> None:
    results = {"a": Result("a", "FAIL", "seen", 0.1), "b": Result("b", "pass", "fine", 0.1)}
    found = verdicts([_requirement(level, "a", "b")], results)
    assert found[0].outcome == "FAIL"
    assert exit_code(found, strict=strict) == code
    assert "a: seen" in table(found)


def test_a_requirement_whose_checks_did_not_run_is_neither() -> None:
    assert [one.outcome for one in verdicts([_requirement("core", "a")], {})] == ["-"]


@given(lists(binary(max_size=60), min_size=1, max_size=4))
def test_the_multipart_reader_reads_what_the_writer_writes(contents: list[bytes]) -> None:
    body = write_related([({"Content-Type": "a/b"}, content) for content in contents])
    content_type = f'multipart/related; type="a/b"; boundary={BOUNDARY}'
    assert [part.content for part in read_related(content_type, body)] == contents
    with pytest.raises(Failed):
        read_related(content_type, body[:-6])


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN])
@pytest.mark.parametrize("undefined", [True, False])
def test_pydicom_reads_what_the_suite_writes(syntax: str, undefined: bool) -> None:
    nested = attributes(ProcedureCodeSequence=[attributes(CodeValue="A"), {}], DiffusionBValue=[1.5, -2.0])
    image = native_image(Names(), frames=2, form=Form(syntax, undefined=undefined), extra_elements=nested)
    dataset = pydicom.dcmread(io.BytesIO(image.data))
    assert (dataset.SOPInstanceUID, dataset.file_meta.TransferSyntaxUID) == (image.sop, syntax)
    assert dataset.pixel_array.astype("<u2").tobytes() == picture("gray16", 0) + picture("gray16", 1)
    assert [item.get("CodeValue") for item in dataset.ProcedureCodeSequence] == ["A", None]
    assert list(dataset.DiffusionBValue) == [1.5, -2.0]


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, DEFLATED])
def test_the_strict_reader_reads_what_the_suite_writes(syntax: str) -> None:
    image = native_image(Names(), form=Form(syntax))
    file = read_file(image.data)
    assert file.dataset == image.dataset
    assert file.elements()[0x7FE00010].value == picture("gray16", 0)


@pytest.mark.parametrize(
    ("fragments", "table_kind"), [(1, "full"), (3, "full"), (3, "empty"), (1, "extended")]
)
def test_encapsulated_frames_are_found_by_pydicom(fragments: int, table_kind: str) -> None:
    image = compressed_image(Names(), "90", frames=3, fragments=fragments, table=table_kind)
    dataset = pydicom.dcmread(io.BytesIO(image.data))
    extended = None
    if table_kind == "extended":
        extended = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
    frames = generate_frames(dataset.PixelData, number_of_frames=3, extended_offsets=extended)
    wanted = [SAMPLES["90"].frames[index % 2] for index in range(3)]
    assert [frame.rstrip(b"\0") for frame in frames] == [frame.rstrip(b"\0") for frame in wanted]


def test_rle_made_here_is_decoded_by_pydicom() -> None:
    dataset = pydicom.dcmread(io.BytesIO(rle_image(Names(), frames=3).data))
    assert dataset.pixel_array.astype("<u2").tobytes() == b"".join(picture("gray16", n) for n in range(3))


def test_json_rules_find_what_is_wrong() -> None:
    sound = {"00080020": {"vr": "DA"}, "00100010": {"vr": "PN", "Value": [{"Alphabetic": "A"}]}}
    assert violations(sound) == []
    for broken in (
        {"00080020": {"vr": "DA", "Value": []}},
        {"00080020": {"vr": "DA", "Value": [""]}},
        {"00100010": {"vr": "PN", "Value": ["A"]}},
        {"00100010": {"vr": "PN"}, "00080020": {"vr": "DA"}},
        {"00080000": {"vr": "UL", "Value": [1]}},
        {"00081032": {"vr": "SQ", "Value": [{"0008010x": {"vr": "SH"}}]}},
        {"7FE00010": {"vr": "OW", "BulkDataURI": "bulk/1"}},
        {"00091001": {"vr": "UN", "InlineBinary": "***"}},
    ):
        assert violations(broken), broken


class _Nothing(BaseHTTPRequestHandler):
    """A server that has nothing."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_DELETE = do_HEAD = do_OPTIONS = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@contextmanager
def _empty_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Nothing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/dicomweb"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_server_that_has_nothing_fails_without_stopping_the_suite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    with _empty_server() as url:
        code = main(["--base-url", url, "--json", str(report), "--only", "^Q-[015]", "--quiet"])
    assert code == 1
    found = {one["id"]: one["outcome"] for one in json.loads(report.read_text())["requirements"]}
    assert found["Q-01"] in ("FAIL", "skip")
    assert "FAIL" in found.values()
    assert "Q-01" in capsys.readouterr().out


def test_a_server_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--base-url", "http://127.0.0.1:9", "--quiet"]) == 2
    assert "cannot be reached" in capsys.readouterr().err


def test_every_object_has_fresh_uids() -> None:
    one, two = make(_session()), make(_session())
    assert len({one.study, one.series, one.sop, two.study, two.series, two.sop}) == 6
    assert all(len(uid) <= 64 for uid in (one.study, one.series, one.sop))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_the_png_reader_agrees_with_pillow(mode: str) -> None:
    pixels = bytes((index * index * 7) >> 5 & 0xFF for index in range(31 * 17 * 3))
    image = Image.frombytes("RGB", (31, 17), pixels).convert(mode)
    written = io.BytesIO()
    image.save(written, "PNG")
    seen = read_png(written.getvalue())
    wanted = image.convert("RGB") if mode == "P" else image
    assert (seen.width, seen.height, seen.samples) == (31, 17, wanted.tobytes())
    with pytest.raises(Failed):
        read_png(written.getvalue()[:-20])


def test_outlines_of_jpeg_and_gif() -> None:
    jpeg = SAMPLES["50"].frames[0]
    outline = jpeg_outline(jpeg)
    assert (outline.frame, outline.precision, outline.width, outline.height) == (0xC0, 8, 20, 24)
    assert jpeg_outline(SAMPLES["70"].frames[0]).frame == 0xC3
    decoded = read_picture(jpeg)
    assert max(abs(a - b) for a, b in zip(decoded.samples, picture("smooth8", 0), strict=True)) <= 6
    frames = [Image.new("L", (9, 7), grey) for grey in (0, 200)]
    written = io.BytesIO()
    frames[0].save(written, "GIF", save_all=True, append_images=frames[1:])
    assert gif_outline(written.getvalue()) == (9, 7, 2)


def test_windows_by_hand() -> None:
    assert [linear(value, 128, 256) for value in (0, 127.5, 255)] == [0, 127.5, 255]
    assert [linear(value, 600, 1) for value in (599, 599.5, 600)] == [0, 0, 255]
    assert linear_exact(40, 40, 400) == sigmoid(40, 40, 400) == 127.5


def test_results_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    requirement = {"id": "A-01", "section": "1", "level": "core", "title": "a | b", "checks": []}
    arguments = []
    for name, outcome in (("one 1.0", "pass"), ("two 2.0", "FAIL")):
        report = {
            "date": "2026-01-02",
            "restarts": int(outcome == "FAIL"),
            "requirements": [{**requirement, "outcome": outcome, "seen": "x"}],
            "checks": [{"outcome": outcome}],
        }
        path = tmp_path / f"{outcome}.json"
        path.write_text(json.dumps(report))
        arguments.append(f"{name}={path}")
    assert results.main(arguments) == 0
    page = capsys.readouterr().out
    assert "| A-01 | core | a \\| b | pass | **fail** |" in page
    assert "| one 1.0 | 2026-01-02 | 1 / 0 / 0 | 0 / 0 / 0 | 0 / 0 / 0 | 1 / 0 / 0 |" in page
    assert "two 2.0 ended once" in page
    assert "What was seen" not in page
