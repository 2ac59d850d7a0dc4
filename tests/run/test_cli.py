"""The command line: what it lists, what it refuses, and that flags go before variables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dicomweb.cli import COMMANDS, cli
from dicomweb.run.options import settings_options
from dicomweb.settings import Settings
from tests.run.processes import ROOT, environment


def _run(*arguments: str, extra: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dicomweb.cli", *arguments],
        env=environment(Path("/nonexistent/archive"), extra),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_help_lists_every_command() -> None:
    said = CliRunner().invoke(cli, ["--help"]).output
    assert [name for name in COMMANDS if f"\n  {name} " not in said] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    assert "Usage:" in CliRunner().invoke(cli, [command, "--help"]).output


def test_the_help_of_serve_tells_variables_and_defaults() -> None:
    said = " ".join(CliRunner().invoke(cli, ["serve", "--help"]).output.split())
    assert "[DICOMWEB_PORT; default: 8080]" in said


@pytest.mark.parametrize(
    ("arguments", "extra", "sentence"),
    [
        (["--port", "x"], {}, "dicomweb: --port must be a whole number from 0 to 65535.\n"),
        ([], {"DICOMWEB_SERVER": "x"}, "dicomweb: DICOMWEB_SERVER must be uvicorn or granian.\n"),
        (["--server", "x"], {"DICOMWEB_SERVER": "y"}, "dicomweb: --server must be uvicorn or granian.\n"),
    ],
)
def test_wrong_settings_end_with_one_sentence(
    arguments: list[str], extra: dict[str, str], sentence: str
) -> None:
    outcome = _run("serve", *arguments, extra=extra)
    assert (outcome.returncode, outcome.stderr) == (2, sentence)


def test_unknown_flags_and_commands_are_refused() -> None:
    assert _run("serve", "--prot", "1").returncode == 2
    assert _run("sevre").returncode == 2


def test_a_directory_that_cannot_be_made_is_said_plainly() -> None:
    outcome = _run("serve", "--data", "/proc/archive")
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("dicomweb: The data directory /proc/archive cannot be used: ")


def test_a_flag_goes_before_its_variable_and_that_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[Settings]()

    @settings_options("port", "workers", "host")
    def command(settings: Settings) -> None:
        seen.append(settings)

    monkeypatch.setenv("DICOMWEB_PORT", "1")
    monkeypatch.setenv("DICOMWEB_WORKERS", "3")
    CliRunner().invoke(click.command()(command), ["--port", "2"])
    assert [(settings.port, settings.workers, settings.host) for settings in seen] == [(2, 3, "127.0.0.1")]


def test_starting_the_command_line_loads_no_server() -> None:
    """The parent imports what `serve` imports, and stays small by it."""
    heavy = "asyncio", "asyncpg", "uvicorn", "starlette", "numpy", "pydicom", "httpx", "obstore"
    program = f"import sys, dicomweb.run.serve; print([name for name in {heavy} if name in sys.modules])"
    outcome = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert outcome.stdout == "[]\n"
