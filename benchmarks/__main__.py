"""Speed as ratios: `python -m benchmarks [--quick] [--json FILE] [--peer URL] [--only NAME]`.

Starts a fresh server as a user would, and measures each path beside its limit in the same run: for
storing, the same bytes written and fsynced; for reading, a bare socket server that sends as many bytes. A
peer (any DICOMweb base URL, already running) is measured in the same way where one is given. See
benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.cases import CASES, Bench, Result, fill, run_case
from benchmarks.objects import Archived, make_movie, make_series
from benchmarks.servers import archive_server, bare_server


def main() -> int:
    """Run the cases and print the table; the figures are medians of interleaved rounds."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="few rounds: shows that it runs, not how fast")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures to a file as well")
    parser.add_argument(
        "--peer", metavar="URL", default="", help="DICOMweb base of a server to measure beside"
    )
    parser.add_argument("--only", metavar="NAME", default="", help="run cases whose name holds this")
    options = parser.parse_args()
    results = list(_measure(options.only, quick=options.quick, peer=options.peer))
    _print(results)
    if options.json:
        options.json.write_text(json.dumps([_as_dict(result) for result in results], indent=1) + "\n")
    return 0


def _measure(only: str, *, quick: bool, peer: str) -> Iterator[Result]:
    cts = make_series(instances=16 if quick else 200, rows=512, columns=512)
    frames = 500 if quick else 20_000
    held = Archived(cts, make_movie(frames=frames), frames)
    with tempfile.TemporaryDirectory(prefix="dicomweb-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)  # root's PostgreSQL runs as another account, which must pass through
        with archive_server(directory / "data") as archive, bare_server() as bare:
            rounds, seconds = (3, 0.0) if quick else (30, 3.0)
            bench = Bench(archive, bare, peer, held, directory, rounds, seconds)
            fill(bench)
            for case in CASES:
                if only in case.name:
                    print(f"{case.name} ...", file=sys.stderr, flush=True)
                    yield run_case(case, bench)


def _as_dict(result: Result) -> dict[str, object]:
    return {**asdict(result), "ratio_to_limit": result.limit_ratio, "ratio_to_peer": result.peer_ratio}


# Heading, width, decimals.
_COLUMNS = (
    ("archive ms", 10, 2),
    ("CPU ms", 7, 1),
    ("limit ms", 9, 2),
    ("ratio", 6, 1),
    ("peer ms", 9, 2),
    ("ratio", 6, 2),
)


def _print(results: list[Result]) -> None:
    print(f"{'case':31}", *(f"{heading:>{width}}" for heading, width, _ in _COLUMNS), " limit")
    for one in results:
        values = (one.archive_ms, one.cpu_ms, one.limit_ms, one.limit_ratio, one.peer_ms, one.peer_ratio)
        cells = (
            f"{'-':>{width}}" if value is None else f"{value:{width}.{decimals}f}"
            for value, (_, width, decimals) in zip(values, _COLUMNS, strict=True)
        )
        print(f"{one.name:31}", *cells, f" {one.limit}")


if __name__ == "__main__":
    sys.exit(main())
