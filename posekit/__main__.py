"""``python -m posekit``, for a machine where PoseKit lies in a folder and is not installed."""

from posekit.cli import app

app(prog_name="posekit")
