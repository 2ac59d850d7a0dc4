"""What is measured: the archive started as a user would, and nginx or a bare socket server as the limit."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Family

# A large archive may first be given the indexes of this release.
_START_SECONDS = 900
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. base: its base URL. family: its processes and its database's, none where unknown."""

    name: str
    base: str
    family: Family


@contextmanager
def archive_server(data: Path, *options: str, **settings: str) -> Iterator[Server]:
    """`dicomweb serve` on a free port with a fresh data directory. options: further flags. settings: those
    that have no flag."""
    log = data.with_suffix(".log")
    command = [sys.executable, "-m", "dicomweb.cli", "serve", "--data", str(data), "--port", "0", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DICOMWEB_")}
    environment |= {f"DICOMWEB_{name.upper()}": value for name, value in settings.items()}
    with _running(command, log, environment) as process:
        ready = re.compile(r"DICOMweb archive ready: (http://\S+/dicomweb)")
        base = _wait(process, log, lambda: _found(ready, log))
        yield Server("archive", base, Family((process.pid,)))


@contextmanager
def limit_server(directory: Path) -> Iterator[Server]:
    """The limit for reading: nginx where it is installed, which serves the files of the directory; else a
    bare socket server that sends as many bytes. /N is a file of N bytes either way."""
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    directory.mkdir(exist_ok=True)
    with _nginx(nginx, directory) if nginx else _bare(directory) as server:
        yield server


def limit_file(directory: Path, size: int) -> str:
    """Path, below the limit's base, of a file as long as what the archive answered."""
    path = directory / str(size)
    if not path.exists():
        path.write_bytes(bytes(size))
    return f"/{size}"


_NGINX = """
daemon off;
{user}
worker_processes 2;
pid {directory}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    open_file_cache max=1000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{ listen 127.0.0.1:{port}; root {directory}; }}
}}
"""


@contextmanager
def _nginx(program: str, directory: Path) -> Iterator[Server]:
    port, log = _free_port(), directory / "nginx.log"
    # Started as root, nginx would serve as another account, which may not enter the directory.
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = directory / "nginx.conf"
    configuration.write_text(_NGINX.format(user=user, directory=directory, port=port))
    command = [program, "-e", "stderr", "-c", str(configuration)]
    with _running(command, log, os.environ) as process:
        base = f"http://127.0.0.1:{port}"
        _wait(process, log, lambda: base)
        yield Server("nginx", base, Family((process.pid,)))


@contextmanager
def _bare(directory: Path) -> Iterator[Server]:
    log = directory / "bare.log"
    with _running([sys.executable, "-m", "benchmarks.bare"], log, os.environ) as process:
        base = _wait(process, log, lambda: _found(re.compile(r"(http://\S+)\n"), log))
        yield Server("bare socket", base, Family((process.pid,)))


@contextmanager
def _running(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _wait(process: subprocess.Popen[bytes], log: Path, base: Callable[[], str]) -> str:
    """The base URL, once the server accepts connections there."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if (found := base()) and _accepts(found):
            return found
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")


def _found(pattern: re.Pattern[str], log: Path) -> str:
    found = pattern.search(log.read_text())
    return found[1] if found else ""


def _accepts(base: str) -> bool:
    host, _, port = base.split("/")[2].partition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
