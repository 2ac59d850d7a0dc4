"""The benchmarks run, so that they cannot rot; how fast is not asked here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.cases import CASES

ROOT = Path(__file__).resolve().parent.parent


def test_the_benchmarks_run(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    outcome = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--json", str(figures)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    found = json.loads(figures.read_text())
    assert [one["name"] for one in found] == [case.name for case in CASES]
    assert all(one["archive_ms"] > 0 and one["limit_ms"] > 0 for one in found)
    assert all(case.name in outcome.stdout for case in CASES)
