"""The documentation: every program in it runs, every link within it leads somewhere, Sphinx builds it without a warning."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md")) if (ROOT / "docs").is_dir() else []
pytestmark = pytest.mark.skipif(not PAGES, reason="needs the source tree")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_programs_run(page, tmp_path, monkeypatch):
    if page.stem in ("start", "from_sklearn"):
        pytest.importorskip("sklearn")
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.S):
        exec(block, names)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_commands_in_pages_are_right():
    from fastnn._cli import make_parser

    for page in [*PAGES, ROOT / "README.md"]:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.S):
            for line in block.splitlines():
                if line.startswith("fastnn "):
                    make_parser().parse_args(line.split("#")[0].split()[1:])


def test_sphinx_builds_without_a_warning(tmp_path):
    for name in ("sphinx", "furo", "numpydoc", "myst_parser", "sphinx_copybutton", "matplotlib", "sklearn"):
        pytest.importorskip(name)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(ROOT / "docs"), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "api/functional.html").read_text().count("gelu.svg") >= 1
