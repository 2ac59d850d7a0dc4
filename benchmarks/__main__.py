"""The whole table by one command: `python -m benchmarks [--quick] [--sizes N,N] [--peer URL] [--only NAME]`.

Starts a fresh server as a user would, fills it, and measures each path beside its limit in the same run, and
beside a peer (any DICOMweb server that runs already) where one is given. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from benchmarks import report
from benchmarks.answers import WrongAnswer
from benchmarks.markdown import markdown
from benchmarks.objects import Scale, make_objects
from benchmarks.processes import Family
from benchmarks.report import Report
from benchmarks.run import Options, started, tell
from benchmarks.servers import Server

_WHOLE = Scale(slices=200, side=512, compressed=40, stack_frames=300, movie_frames=20_000)
_QUICK = Scale(slices=60, side=64, compressed=12, stack_frames=30, movie_frames=200)
_RESULTS = Path(__file__).resolve().parent / "results"


def main() -> int:
    """Run the cases, print the tables, write the results."""
    given = _parsed()
    with started(_options(given)) as run:
        found = run.measure(make_objects(_QUICK if given.quick else _WHOLE))
    print(markdown(found))
    if given.results or not (given.quick or given.only):
        _write(found, given.results or _RESULTS)
    return 1 if any(result.failure for result in found.results) else 0


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.split("\n\n")[0])
    text = partial(parser.add_argument, default="")
    numbers = partial(parser.add_argument, type=_numbers, metavar="N,N")
    parser.add_argument("--quick", action="store_true", help="tiny: shows that it runs, not how fast")
    text("--only", metavar="NAME", help="run cases whose name holds this")
    numbers("--sizes", default="", help="studies to measure at, 200,5000 unless told")
    numbers("--growth", default="", help="studies to measure at what may grow with them: searches, stores")
    parser.add_argument("--seconds", metavar="S", type=float, default=3.0, help="of each case and server")
    parser.add_argument(
        "--data", metavar="N=DIRECTORY", type=_archive, action="append", default=[], help="filled, to be kept"
    )
    text("--serve", metavar="FLAGS", help="more flags for `dicomweb serve`")
    text("--peer", metavar="URL", help="DICOMweb base of a running server to measure beside")
    text("--peer-name", metavar="NAME", help="what the peer is")
    number = partial(parser.add_argument, type=int, metavar="N")
    number("--peer-pid", action="append", default=[], help="a process of the peer or of its database")
    number("--peer-studies", default=5000, help="largest archive that the peer is filled to")
    parser.add_argument("--results", metavar="DIRECTORY", type=Path, help="instead of benchmarks/results")
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def _archive(text: str) -> tuple[int, Path]:
    studies, _, directory = text.partition("=")
    return int(studies), Path(directory)


def _options(given: argparse.Namespace) -> Options:
    peer = Server(given.peer_name or "peer", given.peer, Family(tuple(given.peer_pid)))
    return Options(
        sizes=given.sizes or ([60] if given.quick else [200, 5000]),
        growth=given.growth,
        seconds=0.0 if given.quick else given.seconds,
        data=dict(given.data),
        serve=given.serve,
        only=given.only,
        peer=peer if given.peer else None,
        peer_studies=given.peer_studies,
    )


def _write(found: Report, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    report.write_json(found, directory / "figures.json")
    try:
        from benchmarks.plots import draw
    except ImportError:
        tell("no plots: matplotlib is not installed")
    else:
        draw(found, directory)
    (directory / "README.md").write_text(markdown(found, directory))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WrongAnswer as error:
        sys.exit(f"benchmarks: {error}")
