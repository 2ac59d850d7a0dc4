"""What draws and decodes is for the workers: a server process never loads it."""

from __future__ import annotations

import subprocess
import sys


def test_the_server_loads_no_library_of_pixels() -> None:
    program = (
        "import sys, dicomweb.app\n"
        "from dicomweb.pixels.rendering.annotation_lines import annotation_lines\n"
        "assert annotation_lines({'00100020': {'Value': ['1']}}, 'patient')\n"
        "assert not {'PIL', 'numpy', 'scipy', 'imagecodecs', 'av', 'pypdfium2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
