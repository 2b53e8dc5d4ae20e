"""Sphinx's configuration: `python -m sphinx -W docs docs/_build`."""

import re
import sys
from pathlib import Path

import fastnn
from fastnn import plot
from fastnn._records import ACTIVATIONS, LEARNED

sys.path.insert(0, str(Path(__file__).parent))
from families import write_pages
from formulas import FORMULAS

project = "fastnn"
author = "the fastnn developers"
copyright = author
version = release = fastnn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "api/functional/*.inc"]
html_theme = "furo"
html_title = "fastnn"
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"
default_role = "literal"
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

PICTURES = Path(__file__).parent / "_pictures"
DRAWN = {record.name: record.given for record in [*ACTIVATIONS, *LEARNED]}


def draw(app):
    """A picture of each element-wise function, by its name."""
    PICTURES.mkdir(exist_ok=True)
    for name, given in DRAWN.items():
        function = getattr(fastnn, name)

        def shown(x, function=function, given=given):
            return function(x, **given)

        shown.__name__ = " ".join([name, *(f"{key}={value:g}" for key, value in given.items())])
        plot.activation(shown).savefig(PICTURES / f"{name}.svg", transparent=True)


def show(app, what, name, object, options, lines):
    """Put formula and picture under the docstring's first line; |x| is an absolute value there, and (N, *) a shape."""
    for i, line in enumerate(lines):
        line = re.sub(r"(?<![`|\\])\|(?=[^|`]*\|)", r"\\|", line)
        lines[i] = re.sub(r"(?<=[ (,])\*(?=[,)\w])", r"\\*", line)
    short = name.rsplit(".", 1)[-1]
    if what != "function" or "functional" not in name:
        return
    summary = next((i for i, line in enumerate(lines) if line.strip()), 0) + 1
    if short in DRAWN:
        lines[summary:summary] = ["", f".. image:: /_pictures/{short}.svg", f"   :alt: {short} and its derivative", ""]
    if short in FORMULAS:
        lines[summary:summary] = ["", f".. math:: {FORMULAS[short]}", ""]


def setup(app):
    """Register all."""
    app.connect("builder-inited", draw)
    app.connect("builder-inited", lambda app: write_pages(Path(__file__).parent / "api" / "functional"))
    app.connect("autodoc-process-docstring", show, priority=900)
