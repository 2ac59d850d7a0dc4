"""`python -m conformance --base-url URL`: run the suite, print a verdict for every requirement."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from conformance.suite import checks as _checks
from conformance.suite.check import REGISTRY, Check
from conformance.suite.reporting import as_json, exit_code, summary, table, verdicts
from conformance.suite.requirements import Requirement, load
from conformance.suite.runner import FAILED, Result, run_checks
from conformance.suite.session import Session

__all__ = ["main"]

_LOADED = _checks.MODULES  # importing the modules registers their checks


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: no [core] failure. 1: some. 2: the server could not be reached."""
    options = _options(arguments)
    requirements = _selected(load(), options.only)
    checks = [check for check in REGISTRY.values() if _wanted(check, requirements, options)]
    base_url = options.base_url.rstrip("/")
    headers = dict(line.split(":", 1) for line in options.header)
    with httpx.Client(headers=headers, timeout=options.timeout, trust_env=False) as client:
        session = Session(base_url, client, options.timeout, wado_uri=options.wado_uri)
        if not _reachable(session):
            return 2
        results = run_checks(session, checks, _progress(len(checks), options.quiet))
        if not options.keep:
            gone, studies = session.clean_up()
            print(f"cleaned up: {gone} of {studies} studies deleted", file=sys.stderr)
    found = verdicts(requirements.values(), results)
    shown = [one for one in found if options.all or one.outcome != "-"]
    print(table(shown, width=options.width))
    print(summary(found))
    if options.json:
        Path(options.json).write_text(
            json.dumps(as_json(base_url, found, results, session.restarts), indent=1) + "\n"
        )
    return exit_code(found, strict=options.strict)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument(
        "--base-url", required=True, help="DICOMweb base, e.g. http://127.0.0.1:8080/dicomweb"
    )
    parser.add_argument("--wado-uri", default="", metavar="URL", help="of WADO-URI; /wado of the same host")
    parser.add_argument("--json", metavar="FILE", help="write the verdicts as JSON")
    parser.add_argument("--only", metavar="REGEX", default="", help="requirement ids or check names to run")
    parser.add_argument("--strict", action="store_true", help="[expected] and [beyond] failures count too")
    parser.add_argument("--skip-bad-input", action="store_true", help="leave hostile requests out")
    parser.add_argument("--keep", action="store_true", help="do not delete the test studies at the end")
    parser.add_argument("--all", action="store_true", help="list requirements that no check here shows, too")
    parser.add_argument("--header", action="append", default=[], metavar="NAME:VALUE", help="sent with all")
    parser.add_argument("--timeout", type=float, default=30, metavar="SECONDS", help="of one request")
    parser.add_argument("--width", type=int, default=170, help="of the table")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    return parser.parse_args(arguments)


def _selected(requirements: dict[str, Requirement], only: str) -> dict[str, Requirement]:
    pattern = re.compile(only)
    return {
        id_: one
        for id_, one in requirements.items()
        if pattern.search(id_) or any(pattern.search(name) for name in one.checks)
    }


def _wanted(check: Check, requirements: dict[str, Requirement], options: argparse.Namespace) -> bool:
    if check.bad_input and options.skip_bad_input:
        return False
    if re.search(options.only, check.name):
        return True
    return any(re.search(options.only, id_) for id_ in check.requirements if id_ in requirements)


def _reachable(session: Session) -> bool:
    try:
        session.send("GET", "/studies", query="limit=1", accept="application/dicom+json")
    except httpx.HTTPError as error:
        print(f"{session.base_url} cannot be reached: {type(error).__name__}", file=sys.stderr)
        return False
    return True


def _progress(total: int, quiet: bool) -> Callable[[Result], None]:
    done = 0

    def show(result: Result) -> None:
        nonlocal done
        done += 1
        if quiet:
            return
        if result.outcome == FAILED:
            print(f"[{done}/{total}] FAIL {result.check}: {result.seen}", file=sys.stderr)
        elif sys.stderr.isatty():
            print(f"[{done}/{total}] {result.check}\x1b[K", end="\r", file=sys.stderr)

    return show


if __name__ == "__main__":
    sys.exit(main())
