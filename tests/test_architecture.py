"""The floor plan, held: what may import what, how long a file gets, and what no file may name."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = sorted((ROOT / "posekit").rglob("*.py"))
PAGE = sorted((ROOT / "app").rglob("*.py"))
IGNORED = {".git", ".venv", ".hypothesis", ".benchmarks", "__pycache__", "build", "dist", "runs"}
TEXT = {".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".sh", ".js", ".css", ".html", ".json", ""}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> set[str]:
    """Top-level names of everything a file imports, at its top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", CORE, ids=relative)
def test_the_core_knows_nothing_of_the_page(path: Path) -> None:
    allowed = {"app"} if relative(path) == "posekit/cli/serve.py" else set()
    forbidden = {"app", "gradio", "gradio_client", "fastapi", "starlette"} - allowed
    assert not imported(path) & forbidden


def test_the_core_runs_without_gradio() -> None:
    code = (
        "import sys; sys.modules['gradio'] = None\n"
        "import posekit, posekit.cli\n"
        "[getattr(posekit, name) for name in posekit.__all__]\n"
        "posekit.list_models()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("path", PAGE, ids=relative)
def test_the_page_does_not_compute_with_torch(path: Path) -> None:
    assert "torch" not in imported(path)


@pytest.mark.parametrize("path", [*CORE, *PAGE], ids=relative)
def test_a_file_holds_one_idea(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 400


# (from, to): imports that close a circle of packages, each for a reason that stays.
CIRCLES = {
    ("zoo", "models"),  # it opens the folder; the models in it register themselves with it
    ("estimator", "notebook"),  # results show themselves in a notebook, which draws them
    ("explain", "notebook"),
}


def running(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below that run: without what only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)):
            yield child
            yield from running(child)


def packages() -> dict[str, set[str]]:
    """Of each folder, and each file beside them, those it imports, inside functions too."""
    places = {path.relative_to(ROOT / "posekit").parts[0].removesuffix(".py") for path in CORE}
    graph: dict[str, set[str]] = {place: set() for place in places}
    for path in CORE:
        place = path.relative_to(ROOT / "posekit").parts[0].removesuffix(".py")
        for node in running(ast.parse(path.read_text("utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{relative(path)} imports relative to itself"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            parts = [name.split(".") for name in names]
            graph[place] |= {part[1] for part in parts if part[0] == "posekit" and part[1:]}
    return {place: (others & places) - {place} for place, others in graph.items()}


def test_packages_import_in_one_direction() -> None:
    graph = packages()
    assert all(to in graph[place] for place, to in CIRCLES), "an exception that is none any more"
    for place, to in CIRCLES:
        graph[place].remove(to)
    TopologicalSorter(graph).prepare()  # CycleError names the circle


def files() -> list[Path]:
    """What belongs to the repository: without what tools and runs leave in it."""

    def kept(path: Path) -> bool:
        parts = path.relative_to(ROOT).parts
        left_by_tools = any(part in IGNORED or part.endswith("_cache") for part in parts)
        return path.is_file() and not left_by_tools

    return [path for path in sorted(ROOT.rglob("*")) if kept(path)]


def test_no_file_names_a_folder_that_users_do_not_have() -> None:
    """Outside tests and .ci nothing may point beside the repository or into one machine."""
    pattern = re.compile(r"\.\./shared|/w[o]rk/|/h[o]me/(?!posekit)|/tmp/[a-z]")
    found = [
        f"{relative(path)}: {hit[0]}"
        for path in files()
        if path.suffix in TEXT and path.relative_to(ROOT).parts[0] not in ("tests", ".ci")
        for hit in [pattern.search(path.read_text("utf-8", errors="ignore"))]
        if hit
    ]
    assert found == []


def test_nothing_heavy_but_checkpoints_is_kept() -> None:
    heavy = [
        relative(path)
        for path in files()
        if path.relative_to(ROOT).parts[0] != "checkpoints" and path.stat().st_size > 2 * 2**20
    ]
    assert heavy == []


def test_the_pinned_requirements_cover_the_declared_ones() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    runtime = pinned("requirements.txt")
    assert set(map(normal, project["dependencies"])) <= runtime
    extras = project["optional-dependencies"]
    tools = {normal(line) for line in [*extras["test"], *extras["train"], *extras["dev"]]} - {
        "posekit"
    }
    assert tools <= pinned("requirements-dev.txt")


LEARNING = ("data", "training", "evaluation")  # what the extra `train` is for
PACKAGED_AS = {"cv2": "opencv-python-headless", "PIL": "pillow"}


def test_every_package_that_is_imported_is_declared() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = set(map(normal, project["dependencies"]))
    own = {"posekit", "app", "tests", "benchmarks", *sys.stdlib_module_names}

    def used(paths: list[Path]) -> set[str]:
        names = {name for path in paths for name in imported(path)} - own
        return {PACKAGED_AS.get(name, normal(name)) for name in names}

    extras = project["optional-dependencies"]
    learning = [p for p in CORE if p.relative_to(ROOT).parts[1] in LEARNING]
    assert used([p for p in [*CORE, *PAGE] if p not in learning]) <= declared
    training = set(map(normal, extras["train"]))
    assert used(learning) <= declared | training
    tools = set(map(normal, [*extras["test"], *extras["mcp"]])) | training | {"gradio-client"}
    checks = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    assert used(checks) <= declared | tools


def normal(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def pinned(file: str) -> set[str]:
    lines = (ROOT / file).read_text("utf-8").splitlines()
    wanted = [line for line in lines if line and line[0] not in "#-"]
    assert all(re.match(r"[\w.-]+==[\w.]+(;|$)", line) for line in wanted), file
    return {normal(line) for line in wanted}
