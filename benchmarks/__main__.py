"""Speed as ratios: `python -m benchmarks [--quick] [--json FILE] [--peer URL] [--only NAME]`.

Starts a fresh server as a user would, and measures each path beside its limit in the same run: for
storing, the same bytes written and fsynced; for reading, a bare socket server that sends as many bytes. A
peer (any DICOMweb base URL, already running) is measured in the same way where one is given.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.cases import CASES, Case, Result, run_case
from benchmarks.objects import make_series
from benchmarks.servers import archive_server, bare_server
from benchmarks.wire import Connection


def main() -> int:
    """Run the cases and print the table; the figures are medians of interleaved rounds."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: shows that it runs, not how fast")
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument(
        "--peer", metavar="URL", default="", help="DICOMweb base of a server to measure beside"
    )
    parser.add_argument("--only", metavar="NAME", default="", help="run cases whose name holds this")
    options = parser.parse_args()
    cases = [case for case in CASES if options.only in case.name]
    results = _measure(cases, quick=options.quick, peer=options.peer)
    _print(results)
    if options.json:
        options.json.write_text(json.dumps([result.as_dict() for result in results], indent=1) + "\n")
    return 0


def _measure(cases: list[Case], *, quick: bool, peer: str) -> list[Result]:
    with tempfile.TemporaryDirectory(prefix="dicomweb-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        series = make_series(instances=16 if quick else 200, rows=512, columns=512)
        with archive_server(directory / "data") as base, bare_server() as bare:
            results = []
            for case in cases:
                print(f"{case.name} ...", file=sys.stderr, flush=True)
                results.append(
                    run_case(
                        case,
                        archive=Connection(base),
                        bare=bare,
                        peer=Connection(peer) if peer else None,
                        series=series,
                        directory=directory,
                        rounds=3 if quick else 30,
                    )
                )
            return results


def _print(results: list[Result]) -> None:
    print(f"{'case':26} {'archive ms':>10} {'limit ms':>9} {'ratio':>6} {'peer ms':>9} {'ratio':>6}  limit")
    for one in results:
        peer_ratio = one.archive_ms / one.peer_ms if one.peer_ms else None
        columns = (one.archive_ms, one.limit_ms, one.archive_ms / one.limit_ms, one.peer_ms, peer_ratio)
        widths = (10, 9, 6, 9, 6)
        figures = [
            f"{'-':>{width}}" if value is None else f"{value:{width}.2f}"
            for value, width in zip(columns, widths, strict=True)
        ]
        print(f"{one.name:26} {' '.join(figures)}  {one.limit}")


if __name__ == "__main__":
    sys.exit(main())
