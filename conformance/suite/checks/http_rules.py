"""HTTP as PS3.18 8 uses it, and URLs and query strings (8.2, 8.3)."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.library import letters, library
from conformance.suite.objects import make
from conformance.suite.raw import exchange
from conformance.suite.session import DICOM, JSON, OCTETS, Observed, Session, json_of


@shows("G-01", "G-12")
def trailing_slashes_change_nothing(session: Session) -> str:
    image = pictures.native(session)
    for path in ("/studies", f"{image.study_path}/series", image.path + "/metadata", image.path):
        query = "limit=1" if path == "/studies" else ""
        statuses = [session.get(path + tail, query=query).status_code for tail in ("", "/")]
        expect_equal(statuses[1], statuses[0], f"status of {path[-9:]}/")
    return "same status"


@shows("G-05", "G-11", "B-03")
def malformed_uids_in_paths_are_400(session: Session) -> str:
    image = pictures.native(session)
    for uid in ("abc", "1.2.x", "1" * 65, "1..2", ".1", "1.2.", "%20", "1.2%003"):
        for path in (f"/studies/{uid}", f"/studies/{uid}/metadata", f"/studies/{uid}/series"):
            expect_equal(session.get(path).status_code, 400, path)
        expect_equal(session.send("POST", f"/studies/{uid}", content=b"").status_code, 400, f"POST {uid}")
        path = f"{image.series_path}/instances/{uid}"
        expect_equal(session.get(path).status_code, 400, path[-20:])
    return "letters, 65 characters, empty components, blanks: 400"


@shows("G-11")
def uids_with_leading_zeros_are_served(session: Session) -> str:
    instance = make(session, study=session.root + ".007", series=session.root + ".0.01")
    session.stored(instance)
    expect_equal(session.get(instance.path + "/metadata", accept=JSON).status_code, 200, "metadata")
    expect_equal(len(session.search("/studies", f"StudyInstanceUID={instance.study}")), 1, "found")
    return "stored, found, retrieved"


@shows("G-08")
def commas_and_separators_in_values(session: Session) -> str:
    patient = f"{session.token},1&2=3"
    instance = make(session, PatientID=patient, StudyDescription="left, right")
    session.stored(instance)
    key = quote(patient, safe="")
    expect_equal(len(session.search("/studies", f"PatientID={key}")), 1, "Patient ID with %2C %26 %3D")
    query = f"PatientID={key}&StudyDescription=left%2C%20right"
    expect_equal(len(session.search("/studies", query)), 1, "encoded comma in a text key")
    return "%26 and %3D never separate, %2C is text in text keys"


@shows("G-09")
def plus_signs_in_values(session: Session) -> str:
    instance = make(session, PatientName="Plus One", StudyDescription="a+b")
    session.stored(instance)
    query = f"StudyInstanceUID={instance.study}"
    expect_equal(len(session.search("/studies", query + "&PatientName=Plus+One")), 1, "+ for a space")
    expect_equal(len(session.search("/studies", query + "&StudyDescription=a%2Bb")), 1, "%2B for a plus")
    return "+ is a space in text keys, %2B a plus"


@shows("G-10")
def padding_of_query_values_is_trimmed(session: Session) -> str:
    beta = library(session).beta
    expect_equal(letters(session, f"StudyInstanceUID={beta.study}%00"), "B", "UID with NUL")
    expect_equal(letters(session, "StudyID=ID-B%20"), "B", "StudyID with a trailing space")
    return "trailing space and NUL"


@shows("G-06")
def tags_in_either_case(session: Session) -> str:
    expect_equal(letters(session, "00200010=ID-B"), "B", "tag as key")
    path = library(session).beta.series_path + "/instances"
    for field in ("7fe00010", "0020000d", "0020000D"):
        expect_equal(session.get(path, query=f"includefield={field}").status_code, 200, field)
    status = session.get("/studies", query="patientname=Doe").status_code
    expect(status in (200, 204, 400), f"patientname: {status}")
    return "hex digits in either case; keywords case-sensitive"


@shows("G-14")
def long_uris(session: Session) -> str:
    beta = library(session).beta
    uids = ",".join([f"{session.root}.414.{n}" for n in range(180)] + [beta.study])
    query = f"StudyInstanceUID={uids}"
    expect(len(query) > 6500, "the query is too short to show it")
    expect_equal(len(session.search("/studies", query)), 1, f"found with a URI of {len(query)} bytes")
    path = f"{urlsplit(session.base_url).path}/studies?PatientID={'x' * 1_000_000}"
    status = exchange(session, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    expect(status in (414, 431, 400), f"1 MB: {status or 'closed without an answer'}")
    return f"{len(query)} bytes 200, 1 MB {status}"


@shows("H-04")
def conditional_get(session: Session) -> str:
    image = pictures.native(session)
    for path, accept in (
        (image.path + "/metadata", JSON),
        (image.path, DICOM),
        (image.path + "/frames/1", OCTETS),
    ):
        response = session.get(path, accept=accept)
        tag = response.headers.get("etag", "")
        expect(tag.startswith('"'), f"{path[-9:]}: ETag {tag or 'absent'}")
        again = session.get(path, accept=accept, headers={"If-None-Match": tag})
        expect_equal((again.status_code, again.content), (304, b""), f"{path[-9:]} If-None-Match")
        other = session.get(path, accept=accept, headers={"If-None-Match": '"other"'})
        expect_equal(other.status_code, 200, "another tag")
    return "strong ETag, 304 without body on metadata, instance, frame"


@shows("H-04")
def etag_of_metadata_moves_when_the_study_does(session: Session) -> str:
    one = make(session)
    session.stored(one)
    path = one.study_path + "/metadata"
    before = session.get(path, accept=JSON).headers.get("etag")
    session.stored(make(session, study=one.study))
    after = session.get(path, accept=JSON).headers.get("etag")
    expect(before and after and before != after, f"{before} and {after}")
    return "differs after another instance"


@shows("H-07")
def head_gives_the_headers_of_get(session: Session) -> str:
    image = pictures.native(session)
    for path, accept in (
        (image.path + "/metadata", JSON),
        (image.path, DICOM),
        (image.path + "/frames/1", OCTETS),
    ):
        get = session.get(path, accept=accept)
        head = session.send("HEAD", path, accept=accept)
        expect_equal(head.status_code, 200, f"HEAD {path[-9:]}")
        expect_equal(head.content, b"", "body")
        for name in ("content-type", "content-length", "etag"):
            if name in get.headers:
                expect_equal(head.headers.get(name), get.headers[name], f"{name} of HEAD {path[-9:]}")
    expect_equal(
        session.send("HEAD", f"/studies/{session.root}.404/metadata").status_code, 404, "HEAD of nothing"
    )
    return "metadata, instance, frame"


@shows("H-03")
def content_encoding_only_when_allowed(session: Session) -> str:
    path = library(session).alpha[0].study_path + "/metadata"
    plain = session.get(path, accept=JSON, headers={"Accept-Encoding": "identity"})
    expect("content-encoding" not in plain.headers, "encoded though only identity is accepted")
    packed = session.get(path, accept=JSON, headers={"Accept-Encoding": "gzip"})
    coding = packed.headers.get("content-encoding")
    expect(coding in (None, "gzip"), f"Content-Encoding {coding}")
    expect_equal(packed.json(), plain.json(), "content")
    expect(
        coding is None or "accept-encoding" in packed.headers.get("vary", "").lower(),
        "no Vary: Accept-Encoding",
    )
    return f"identity plain, gzip {coding or 'plain too'}"


@shows("H-08")
def answers_are_private(session: Session) -> str:
    image = pictures.native(session)
    for path in (image.path + "/metadata", image.path + "/frames/1"):
        control = session.get(path).headers.get("cache-control", "")
        expect(
            "private" in control or "no-store" in control or "no-cache" in control,
            f"Cache-Control {control!r}",
        )
    search = session.get("/studies", query="limit=1").headers.get("cache-control", "")
    expect("no-cache" in search or "no-store" in search, f"Cache-Control of a search {search!r}")
    return f"search: {search}"


@shows("H-09", "H-13", "V-13")
def cross_origin_requests(session: Session) -> str:
    image = pictures.native(session)
    origin = {"Origin": "http://localhost:3000"}
    asked = {**origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "accept"}
    preflight = session.send("OPTIONS", image.path + "/frames/1", headers=asked)
    expect(preflight.status_code in (200, 204), f"preflight {preflight.status_code}")
    headers = preflight.headers
    expect(
        headers.get("access-control-allow-origin") in ("*", origin["Origin"]),
        "preflight without Allow-Origin",
    )
    expect("GET" in headers.get("access-control-allow-methods", ""), "Access-Control-Allow-Methods")
    allowed = headers.get("access-control-allow-headers", "").lower()
    expect("accept" in allowed or allowed == "*", f"Access-Control-Allow-Headers {allowed!r}")
    expect("access-control-max-age" in headers, "no Access-Control-Max-Age")
    for path in (image.path + "/frames/1", f"/studies/{session.root}.404/metadata", "/studies?limit=x"):
        response = session.get(path, headers=origin)
        allow = response.headers.get("access-control-allow-origin")
        expect(
            allow in ("*", origin["Origin"]), f"{response.status_code} without Access-Control-Allow-Origin"
        )
    return "preflight answered, loopback origin allowed on 200, 404 and 400"


@shows("V-13", "H-09")
def conditional_answers_carry_cors_too(session: Session) -> str:
    path = pictures.native(session).path + "/metadata"
    origin = {"Origin": "http://localhost:3000"}
    response = session.get(path, accept=JSON, headers=origin)
    tag = response.headers.get("etag", "")
    again = session.get(path, accept=JSON, headers={**origin, "If-None-Match": tag})
    expect_equal(again.status_code, 304, "status")
    expect("access-control-allow-origin" in again.headers, "304 without Access-Control-Allow-Origin")
    expect("origin" in response.headers.get("vary", "").lower(), "no Vary: Origin")
    return "304 too, Vary: Origin"


@shows("H-09")
def foreign_hosts_and_origins_are_refused(session: Session) -> str:
    path = "/studies?limit=1"
    if urlsplit(session.base_url).hostname not in ("127.0.0.1", "localhost", "::1"):
        return "not judged: the server is not on loopback"
    foreign = session.get(path, headers={"Host": "evil.example"})
    expect(foreign.status_code in (400, 403, 404, 421), f"Host: evil.example answered {foreign.status_code}")
    for origin in ("http://evil.example", "null", "http://localhost.evil.example"):
        response = session.get(path, headers={"Origin": origin})
        allow = response.headers.get("access-control-allow-origin")
        expect(allow is None, f"Origin {origin} is allowed ({allow})")
    return f"foreign Host {foreign.status_code}, foreign Origin not allowed"


@shows("H-12")
def wrong_methods_are_405_with_allow(session: Session) -> str:
    for method, path in (("PATCH", "/studies"), ("POST", pictures.native(session).path + "/metadata")):
        response = session.send(method, path, content=b"")
        expect_equal(response.status_code, 405, f"{method} {path[-9:]}")
        expect("GET" in response.headers.get("allow", ""), f"Allow {response.headers.get('allow')!r}")
    return "405 with Allow"


@shows("H-11", "W-61")
def errors_carry_a_status_report(session: Session) -> str:
    unknown = f"/studies/{session.root}.404/series/{session.root}.405"
    cases = {
        f"{unknown}/metadata": 404,
        unknown: 404,
        "/studies/abc/metadata": 400,
        "/studies?limit=x": 400,
        "/no/such/resource": 404,
    }
    for path, status in cases.items():
        accept = DICOM if path == unknown else JSON
        response = session.get(path, accept=accept)
        expect_equal(response.status_code, status, path[-20:])
        expect("json" in response.headers.get("content-type", ""), f"{path[-9:]}: no JSON status report")
        report = json_of(response)
        expect(isinstance(report, dict) and report, "empty status report")
        if "problem+json" in response.headers["content-type"]:
            missing = {"type", "title", "status", "detail", "request_id"} - set(report)
            expect(not missing, f"status report lacks {missing}")
    return f"{len(cases)} errors with a JSON report"


@shows("G-12", "W-61")
def nothing_redirects(session: Session) -> str:
    image = pictures.native(session)
    for tail in ("/bulkdata", "/bulkdata/", "/frames", "/frames/", "/pixeldata", "/rendered", "/nothing/"):
        status = session.get(image.path + tail).status_code
        expect(not 300 <= status < 400, f"{tail}: {status}")
    return "resources that are not there are not moved either"


@shows("W-61")
def unknown_targets_are_404(session: Session) -> str:
    image = pictures.native(session)
    paths = (
        f"/studies/{session.root}.404",
        f"{image.study_path}/series/{session.root}.404",
        f"{image.series_path}/instances/{session.root}.404",
        f"{image.series_path}/instances/{session.root}.404/frames/1",
        f"/studies/{session.root}.404/metadata",
        image.path + "/nosuchresource",
        image.path + "/frames",
    )
    for path in paths:
        expect_equal(session.get(path).status_code, 404, path[-12:])
    return f"{len(paths)} paths"


@shows("H-01", "H-02", last=True)
def every_answer_of_the_run_was_framed_well(session: Session) -> str:
    wrong = {problem for one in session.observed for problem in _framing(one)}
    expect(not wrong, "; ".join(sorted(wrong)[:5]))
    return f"{len(session.observed)} answers"


def _framing(one: Observed) -> list[str]:
    found = []
    kinds = one.headers.get_list("content-type")
    if one.body_length and len(kinds) != 1:
        found.append(f"{len(kinds)} Content-Types with a body ({one.status})")
    if not one.body_length and kinds and not one.request.startswith("HEAD"):
        found.append(f"Content-Type without a body ({one.status})")
    if "content-length" in one.headers and "transfer-encoding" in one.headers:
        found.append("Content-Length and Transfer-Encoding")
    return found


@shows("B-03", "H-21", last=True)
def no_answer_of_the_run_was_a_server_error(session: Session) -> str:
    errors = [one for one in session.observed if one.status >= 500]
    seen = {f"{one.status} {one.request.split()[0]} …{one.request[-24:]}" for one in errors}
    expect(not errors, f"{len(errors)} answers: {'; '.join(sorted(seen)[:4])}")
    return f"{len(session.observed)} answers below 500"
