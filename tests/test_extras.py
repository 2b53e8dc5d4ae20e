"""Missing packages are named as pip knows them, and our own name never as a package that pip finds."""

import importlib.metadata
import re
import sys
from pathlib import Path

import pytest

from fastnn._extras import PACKAGES, extra

ROOT = Path(__file__).parent.parent
in_source = pytest.mark.skipif(not (ROOT / "src_c").is_dir(), reason="needs the source tree")


def test_the_first_module_is_returned():
    assert extra("f", "os.path", "json") is sys.modules["os.path"]


def test_all_that_are_missing_are_named_at_once(monkeypatch):
    for name in ("PIL", "PIL.Image", "sklearn", "sklearn.datasets", "tqdm", "tqdm.auto"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError) as caught:
        extra("f", "PIL.Image", "json", "sklearn.datasets", "tqdm.auto")
    expected = "f needs pillow and scikit-learn and tqdm: pip install pillow scikit-learn tqdm"
    assert (str(caught.value), caught.value.name) == (expected, "PIL")


def test_what_a_library_itself_lacks_is_not_taken_for_it(tmp_path, monkeypatch):
    (tmp_path / "half_a_library.py").write_text("import no_such_module")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'no_such_module'$"):
        extra("f", "half_a_library")


@pytest.mark.parametrize("module", PACKAGES)
def test_packages_bring_the_modules(module):
    pytest.importorskip(module)
    assert PACKAGES[module] in [name.lower() for name in importlib.metadata.packages_distributions()[module]]


@in_source
def test_no_text_takes_the_foreign_package_for_ours():
    """PyPI's `fastnn` is another project: whoever is told to install that gets it."""
    texts = [*(ROOT / "fastnn").rglob("*.py"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md"), *ROOT.glob("*.toml")]
    assert len(texts) > 50
    for path in texts:
        assert not re.search(r"pip install[^`\n&]*\bfastnn\b(?!-cpu)|\bfastnn\[|needs fastnn\b", path.read_text()), path


@in_source
def test_the_distribution_s_name():
    assert re.search(r'^name = "fastnn-cpu"$', (ROOT / "pyproject.toml").read_text(), re.M)
