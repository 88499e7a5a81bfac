"""Reading and destroying an applied lab must not pay for pydantic and ruamel.yaml."""

import subprocess
import sys


def test_the_lab_comes_without_the_heavy_imports() -> None:
    code = "import sys, netlab.topology.lab; print([m for m in ('pydantic', 'ruamel.yaml') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
