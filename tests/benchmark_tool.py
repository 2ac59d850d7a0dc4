"""A tool of benchmarks/ run as its user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent


def run_tool(module: str, *arguments: str, results: Path) -> str:
    """Run it to its end and return what it printed; it must succeed. results: where it writes."""
    outcome = subprocess.run(
        [sys.executable, "-m", module, *arguments, "--results", str(results)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr + outcome.stdout
    return outcome.stdout
