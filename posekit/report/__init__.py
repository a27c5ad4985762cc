"""What was found, as files for other people and programs: an HTML report, plain values as JSON."""

from posekit.report.explanation import html_report, save_html
from posekit.report.findings import Findings
from posekit.report.reproduce import command_line, python_call
from posekit.report.values import plain_values, save_json

__all__ = [
    "Findings",
    "command_line",
    "html_report",
    "plain_values",
    "python_call",
    "save_html",
    "save_json",
]
