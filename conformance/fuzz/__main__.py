"""`python -m conformance.fuzz --base-url URL`: mutated files, then mutated requests.

The same seed makes the same cases. Every file is stored; of one that was taken, metadata, bytes, frames and
pictures are asked for. A fault is a 5xx (but 503 with Retry-After), no answer in time, or, with --pid, an
HTTP process that is no longer there.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from conformance.fuzz.files import mutate
from conformance.fuzz.urls import mutated_request
from conformance.fuzz.watch import Memory, http_workers
from conformance.fuzz.wire import Answer, Wire
from conformance.suite import objects
from conformance.suite.samples import SAMPLES
from conformance.suite.session import Session

__all__ = ["main"]

_LARGEST_FILE = 2 << 20
_STORE = {"Content-Type": "application/dicom", "Accept": "application/dicom+json"}
_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
# What is asked of an instance that was taken: resource, Accept.
_ASKED = (
    ("/metadata", "application/dicom+json"),
    ("/metadata", 'multipart/related; type="application/dicom+xml"'),
    ("", _STORED),
    ("", 'multipart/related; type="application/dicom"'),
    ("", 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.80'),
    ("/frames/1", "*/*"),
    ("/frames/1", 'multipart/related; type="application/octet-stream"'),
    ("/frames/1", 'multipart/related; type="image/jphc"'),
    ("/rendered", "image/png, text/html;q=0.5"),
    ("/rendered?viewport=64,64&window=40,400,linear", "image/jpeg"),
    ("/thumbnail", "image/jpeg"),
)


@dataclass(slots=True)
class Outcome:
    """Statuses by kind of request, and the faults: a line for each that says how to make it again."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def note(self, kind: str, name: str, answer: Answer) -> None:
        """Count an answer. name: the case and what was asked."""
        self.statuses[f"{kind} {answer.status}"] += 1
        if answer.is_fault:
            self.faults.append(f"{name}: {answer.status} {answer.body[:200]!r}")


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: no fault. 1: some."""
    options = _options(arguments)
    wire, outcome = Wire(options.base_url.rstrip("/"), options.timeout), Outcome()
    session = Session(wire.base_url, httpx.Client(timeout=options.timeout, trust_env=False))
    corpus = [one.data for one in _objects(session)] + _files(options.data)
    before = http_workers(options.pid) if options.pid else set()
    memory = Memory(options.pid) if options.pid else None
    seed = options.seed
    taken = _in_order(options, options.files, lambda n: _file_case(wire, outcome, corpus, seed, n))
    paths = sorted(path for path in taken if path) or ["/studies/1.2/series/1.3/instances/1.4"]
    print(f"{options.files} files, {len(paths)} of them stored", file=sys.stderr)
    _in_order(options, options.requests, lambda n: _request_case(wire, outcome, paths, seed, n))
    if memory is not None:
        now = memory.stop()
        print(f"memory (PSS): {memory.first >> 20} MiB first, {memory.most >> 20} at most, {now >> 20} after")
        outcome.faults += [f"process {pid} is gone" for pid in sorted(before - http_workers(options.pid))]
    for kind, count in sorted(outcome.statuses.items()):
        print(f"{kind:24} {count}")
    print(f"{len(outcome.faults)} faults", *outcome.faults[:200], sep="\n")
    return 1 if outcome.faults else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m conformance.fuzz", description=__doc__)
    parser.add_argument("--base-url", required=True, help="DICOMweb base; what is stored stays there")
    parser.add_argument("--files", type=int, default=1000, metavar="N", help="mutated files")
    parser.add_argument("--requests", type=int, default=1000, metavar="N", help="mutated requests")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same cases")
    parser.add_argument("--only", type=int, metavar="CASE", help="one case of each kind, by its number")
    parser.add_argument("--data", type=Path, metavar="DIR", help="files to mutate beside those made here")
    parser.add_argument("--pid", type=int, metavar="PID", help="of the server, to watch processes and memory")
    parser.add_argument("--threads", type=int, default=4, help="requests at a time")
    parser.add_argument("--timeout", type=float, default=90, metavar="SECONDS", help="of one request")
    return parser.parse_args(arguments)


def _objects(session: Session) -> Iterator[objects.Instance]:
    yield objects.make(session)
    yield objects.native_image(session)
    yield objects.rle_image(session, frames=2)
    yield objects.report(session)
    yield objects.pdf(session)
    for name in SAMPLES:
        yield objects.compressed_image(session, name)


def _files(folder: Path | None) -> list[bytes]:
    """The files of a folder that are small enough to be mutated by the thousand."""
    if folder is None:
        return []
    files = sorted(one for one in folder.rglob("*") if one.is_file() and one.stat().st_size <= _LARGEST_FILE)
    return [data for one in files if b"DICM" in (data := one.read_bytes())[:1024]]


def _in_order(options: argparse.Namespace, count: int, case: Callable[[int], str]) -> list[str]:
    numbers = [options.only] if options.only is not None else range(count)
    found = []
    with ThreadPoolExecutor(options.threads) as pool:
        for done, one in enumerate(pool.map(case, numbers), 1):
            found.append(one)
            if done % 250 == 0:
                print(f"{done}/{count}", file=sys.stderr)
    return found


def _file_case(wire: Wire, outcome: Outcome, corpus: Sequence[bytes], seed: int, number: int) -> str:
    """Store one mutated file and ask for it; its path if it was taken."""
    rng = random.Random(f"file {seed} {number}")
    data, uid = mutate(rng, rng.choice(corpus))
    answer = wire.ask(wire.request("POST", "/studies", _STORE, data))
    outcome.note("store", f"file {number}", answer)
    if not uid or answer.status not in (200, 202):
        return ""
    path = _path_of(wire, uid)
    for resource, accept in _ASKED if path else ():
        found = wire.ask(wire.request("GET", path + resource, {"Accept": accept}))
        outcome.note("retrieve", f"file {number} {resource} {accept}", found)
    return path


def _path_of(wire: Wire, uid: str) -> str:
    """Where the instance lies, by a search for it: its other UIDs may be mutated too."""
    url = f"{wire.base_url}/instances?SOPInstanceUID={uid}"
    found = httpx.get(url, headers={"Accept": "application/dicom+json"}, timeout=60, trust_env=False)
    if found.status_code != 200:
        return ""
    path = str(found.json()[0]["00081190"]["Value"][0])
    return path[path.index(wire.prefix) + len(wire.prefix) :]


def _request_case(wire: Wire, outcome: Outcome, paths: Sequence[str], seed: int, number: int) -> str:
    request = mutated_request(random.Random(f"request {seed} {number}"), paths)
    answer = wire.ask(wire.request(request.method, request.path, request.headers, request.body))
    outcome.note(
        "request", f"request {number} {request.method} {request.path[:200]} {request.headers}", answer
    )
    return ""


if __name__ == "__main__":
    sys.exit(main())
