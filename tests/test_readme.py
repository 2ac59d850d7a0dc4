"""What the README says is what the program does: its examples run, its table is that of the settings."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dicomweb.settings import markdown_table
from tests.builders import make_instance
from tests.run.processes import running

README = Path(__file__).resolve().parent.parent / "README.md"
PORT = 8080


def _examples() -> str:
    """The block of commands that the README says is tested."""
    text = README.read_text()
    block = re.search(r"<!-- tests/test_readme\.py[^>]*-->\n```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None
    return block[1]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_the_curl_examples_run_as_written(archive_directory: Path, tmp_path: Path) -> None:
    """On the default port as they stand; where that is taken, on another one and otherwise as they stand."""
    script = _examples()
    (tmp_path / "image.dcm").write_bytes(make_instance(rows=16, columns=16))
    port = str(PORT if _is_free(PORT) else 0)
    command = ("dicomweb.cli", "serve")
    with running(archive_directory, {"DICOMWEB_PORT": port}, command=command) as server:
        script = script.replace(f"http://127.0.0.1:{PORT}", server.url)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "frame.raw").stat().st_size == 16 * 16 * 2
    assert (tmp_path / "copy.dcm").read_bytes()[128:132] == b"DICM"
    assert (tmp_path / "frame.multipart").stat().st_size > 16 * 16 * 2


def test_the_settings_table_is_up_to_date() -> None:
    table = re.search(r"<!-- settings -->\n(.*?)<!-- /settings -->", README.read_text(), re.DOTALL)
    assert table is not None
    assert table[1].strip() == markdown_table().strip(), "run: python -m dicomweb.settings, and paste it"


@pytest.mark.parametrize("command", ["serve", "import", "export", "verify", "sweep", "migrate"])
def test_every_command_that_the_readme_names_has_a_help_text(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dicomweb.cli", command, "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert done.returncode == 0
    assert len(done.stdout) > 200
