"""`dicomweb serve` over the tiny application: python -m tests.run.tiny_server APP"""

from __future__ import annotations

import os
import sys

from dicomweb.cli import report_errors
from dicomweb.run.serve import run_server
from dicomweb.settings import Settings

if __name__ == "__main__":
    with report_errors():
        run_server(Settings.from_env(os.environ), app=f"tests.run.tiny_app:{sys.argv[1]}")
