"""What was found, as files for other people and programs: HTML reports, plain values as JSON."""

from posekit.report.explanation import html_report, save_html
from posekit.report.findings import Findings
from posekit.report.live_report import LiveReport, live
from posekit.report.reproduce import command_line, python_call
from posekit.report.values import plain_values, save_json

__all__ = [
    "Findings",
    "LiveReport",
    "command_line",
    "html_report",
    "live",
    "plain_values",
    "python_call",
    "save_html",
    "save_json",
]
