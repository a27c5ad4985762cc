"""How the server ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def test_a_polite_kill_leaves_no_temporary_folder() -> None:
    script = (
        "import time; from app.server import end_cleanly, private_folder;"
        "end_cleanly(); print(private_folder(), flush=True); time.sleep(60)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "GRADIO_TEMP_DIR"}
    run = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        env=environment,
    )
    try:
        assert run.stdout is not None
        folder = Path(run.stdout.readline().strip())
        assert folder.is_dir() and folder.name.startswith("posekit-page-")
        run.send_signal(signal.SIGTERM)
        assert run.wait(timeout=60) == 0
        assert not folder.exists()
    finally:
        run.kill()
