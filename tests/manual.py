"""Reading the manual: its code blocks, and following a page of it to the letter.

``python -m tests.manual PAGE`` follows one in the current folder: a block that begins with the name
of a file (``# plant.py``) is written to it, ``export`` sets the environment, ``python`` and
``posekit`` run, and sessions (``>>>``) have to answer what the page says.
"""

from __future__ import annotations

import doctest
import os
import re
import runpy
import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted({ROOT / "README.md", *(ROOT / "docs").rglob("*.md")})


def blocks(page: Path) -> list[tuple[str, str]]:
    """(language, text) of every code block, in order."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def lines(text: str) -> list[str]:
    """The commands of a block: joined over ``\\`` at the end of a line, without remarks."""
    joined = re.sub(r"\\\n\s*", "", text).splitlines()
    return [bare for line in joined if (bare := re.sub(r"(^|\s{2,})#.*$", "", line).strip())]


def commands(page: Path) -> list[str]:
    """Every shell command of a page."""
    return [line for language, text in blocks(page) if language == "sh" for line in lines(text)]


def run(command: str) -> None:
    """One command, as a shell would run it, without the seconds that a new process takes."""
    from typer.testing import CliRunner

    words = shlex.split(os.path.expandvars(command))
    if words[0] == "export":
        name, _, value = words[1].partition("=")
        os.environ[name] = value
    elif words[0] == "python":
        runpy.run_path(words[1], run_name="__main__")
    else:
        assert words[0] == "posekit", command
        from posekit.cli import app

        done = CliRunner().invoke(app, words[1:], env={"COLUMNS": "120"})
        print(done.output)
        assert done.exit_code == 0, (command, done.output, done.exception)


def follow(page: Path) -> int:
    """Do what a page says, in order; how many sessions' lines failed."""
    failed, names = 0, {"__name__": "__main__"}
    for language, text in blocks(page):
        if language == "sh":
            os.environ["PWD"] = str(Path.cwd())
            for line in lines(text):
                run(line)
        elif language == "python" and text.startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(text, names, page.name, str(page), 0)
            result = doctest.DocTestRunner().run(test, clear_globs=False)
            names, failed = test.globs, failed + result.failed
        elif language == "python":
            file = re.match(r"# (\w+\.py)\n", text)
            assert file is not None, text
            Path(file[1]).write_text(text, "utf-8")
    return failed


if __name__ == "__main__":
    sys.exit(follow(Path(sys.argv[1])))
