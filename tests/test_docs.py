"""The documentation: every program in it runs, every link within it leads somewhere, Sphinx builds it without a warning."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fastnn import functional

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md")) if (ROOT / "docs").is_dir() else []
pytestmark = pytest.mark.skipif(not PAGES, reason="needs the source tree")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_programs_run(page, tmp_path, monkeypatch):
    if page.stem in ("start", "from_sklearn"):
        pytest.importorskip("sklearn")
        pytest.importorskip("matplotlib")
    if page.stem == "tables":
        pytest.importorskip("pyarrow")
        pytest.importorskip("sklearn")
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
    page = (tmp_path / "api/functional/activation.html").read_text()
    assert "gelu.svg" in page
    assert r"x\,\Phi(x)" in page
    table = (tmp_path / "api/functional.html").read_text()
    assert 'href="functional/activation.html#fastnn.functional.gelu"' in table
    assert "Gaussian error linear unit" in table


@pytest.fixture
def site(monkeypatch):
    """The modules beside the pages."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import families
    import formulas

    return families, formulas


def test_every_function_stands_on_one_page_and_has_a_formula(site):
    families, formulas = site
    pages = [name for page in families.FAMILIES for name in families.members(page)]
    assert sorted(pages) == sorted(functional.__all__)
    shown = {name for name in pages if not name.endswith(("_backward", "_stats", "_mask", "one_hot"))}
    assert shown == set(formulas.VALUES)
    assert set(formulas.FORMULAS) <= set(pages)
    toctree = (ROOT / "docs/api/functional.rst").read_text()
    assert re.findall(r"^   functional/(\w+)$", toctree, re.M) == list(families.FAMILIES)
