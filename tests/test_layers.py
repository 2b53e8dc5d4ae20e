"""The house rules, checked in the sources: imports between layers, the rules of kernels, complete documentation."""

import inspect
import re
from pathlib import Path

import pytest
from ops import BY_NAME, LEARNED, OPS, ROWS_BY_OPTION, layer_of
from records import OPTIMIZERS

import fastnn
from fastnn import _core, functional, nn
from fastnn._dispatch import DERIVATIVES

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(not (ROOT / "src_c").is_dir(), reason="needs the source tree")

# What each part may import of the package, from the bottom up.
BASE = {"_core", "_check", "_dispatch", "_observe", "_random", "_scope", "_shard", "_threads", "_version"}
ALLOWED = {
    "_check": {"_core", "_dispatch"},
    "_dispatch": {"_core"},
    "_version": set(),
    "_unbuilt": set(),
    "_random": {"_check", "_core", "_shard"},
    "_shard": {"_check", "_scope"},
    "_scope": set(),
    "_observe": {"_core"},
    "_profile": BASE | {"_replace", "functional"},
    "_threads": {"_check", "_core", "_scope", "_threadpoolctl"},
    "_threadpoolctl": {"_core", "_version"},
    "_memory": {"_check", "_core"},
    "_info": BASE,
    "functional": BASE,
    "autograd": BASE | {"functional"},
    "_replace": set(),
    "io": BASE | {"_replace", "autograd"},
    "nn": BASE | {"functional", "autograd"},
    "optim": BASE | {"autograd"},
    "graph": BASE | {"_replace", "functional", "autograd", "nn"},
    "onnx": BASE | {"_profile", "_replace", "autograd", "functional", "graph", "nn"},
    "inference": {"graph"},
    "models": BASE | {"functional", "autograd", "nn"},
    "_extras": set(),
    "data": BASE | {"_extras", "_replace", "autograd"},
    "dask": BASE | {"_extras", "graph", "nn"},
    "metrics": BASE | {"autograd"},
    "distributed": BASE | {"_extras", "autograd", "functional", "nn"},
    "plot": BASE | {"_extras", "_profile", "_replace", "autograd", "functional", "graph", "nn"},
    "sklearn": BASE | {"_extras", "autograd", "functional", "graph", "metrics", "nn", "optim", "tables", "training"},
    "tables": BASE
    | {"_extras", "_replace", "autograd", "functional", "graph", "io", "metrics", "nn", "optim", "plot", "training"},
    "training": BASE
    | {"_extras", "_replace", "autograd", "data", "distributed", "graph", "io", "metrics", "nn", "optim"},
    "_certify": BASE | {"_records", "functional"},
    "_records": BASE | {"functional"},
    "_cli": BASE
    | {
        "_certify",
        "_extras",
        "_info",
        "_profile",
        "_records",
        "_replace",
        "autograd",
        "data",
        "distributed",
        "functional",
        "graph",
        "io",
        "metrics",
        "models",
        "nn",
        "onnx",
        "optim",
        "plot",
        "tables",
        "training",
    },
    "__main__": {"_cli"},
}


def package_imports(path):
    """Names of the package's parts that a file imports."""
    dots_to_top = len(path.relative_to(ROOT / "fastnn").parts)
    for line in path.read_text().splitlines():
        match = re.match(r"\s*from (\.+)(\w*)(?:\.\w+)* import (.+)", line)
        if match and len(match[1]) == dots_to_top:
            yield from [match[2]] if match[2] else re.findall(r"\w+", match[3].split("#")[0])


def test_imports_point_down():
    checked = 0
    for path in sorted((ROOT / "fastnn").rglob("*.py")):
        part = path.relative_to(ROOT / "fastnn").parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        for name in package_imports(path):
            if name != part:
                assert name in ALLOWED[part], f"{path.name} imports {name}"
                checked += 1
    assert checked > 30


def code_of(path):
    """A C file without its comments."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.S)


def test_kernels_know_nothing_of_the_outside():
    files = list((ROOT / "src_c/kernels").glob("*"))
    assert len(files) >= 10
    for path in files:
        text = code_of(path)
        for word in ("omp parallel", "malloc", "Python.h", "printf", "pthread", "#include <"):
            assert word not in text, f"{path.name}: {word}"
        assert not re.search(r"^static (?!inline|const|void|double|ptrdiff_t|const REAL)\w+ \w+;", text, re.M), (
            path.name
        )


def test_only_parallel_knows_threads():
    for path in (path for path in (ROOT / "src_c").rglob("*.*") if path.parent.name != "kernels"):
        if path.stem not in ("parallel", "parallel_system"):
            assert not re.search(
                r"pthread|omp parallel|omp\.h|_Thread_local|stdatomic|parallel_system", code_of(path)
            ), path.name


def test_no_double_literal_in_shared_kernels():
    """A literal such as 0.5 in code shared by float and double would compute in double; K(0.5) does not."""
    for path in (ROOT / "src_c/kernels").glob("*.inc"):
        if path.stem in ("math_f64", "kernels"):
            continue
        for line in code_of(path).splitlines():
            assert not re.search(r"(?<![\w.(])(?<!K\()(?<!K\(-)\d+\.\d*(?:e-?\d+)?(?![\dfp.])", line), (
                f"{path.name}: {line.strip()}"
            )


def code_of_core(name: str) -> str:
    return re.sub(r'""".*?"""|#[^\n]*', "", (ROOT / "fastnn" / name).read_text(), flags=re.S)


CORE = [path.name for pattern in ("*.pyx", "*.pxi", "*.pxd") for path in (ROOT / "fastnn").glob(pattern)]


@pytest.mark.parametrize("name", CORE)
def test_core_has_no_names_of_functions(name):
    text = code_of_core(name)
    for op in OPS:
        if op.name not in ("softplus", "threshold"):
            assert not re.search(rf"\b{op.name}\b", text), op.name


@pytest.mark.parametrize("name", CORE)
def test_core_knows_ops_by_their_table_alone(name):
    """No branch on a type around a call, no driver's prototype; whole calls for plain arrays say which op they run."""
    text = code_of_core(name)
    assert "floating" not in text
    if name not in ("_plain_product.pxi", "_core.pxd"):  # the size of a packed weight
        assert not re.search(r"fnn_\w+_f(32|64)", text)
    if not name.startswith("_plain"):
        assert not re.findall(r'(?<!")\bops\.(\w+)', text)


def test_core_is_small():
    """Together, whichever file something moves to; whole calls for plain arrays and the header's declarations are apart."""
    lines = {name: len((ROOT / "fastnn" / name).read_text().splitlines()) for name in CORE}
    assert lines.pop("_core.pxd") <= 60, lines
    assert sum(n for name, n in lines.items() if not name.startswith("_plain")) <= 700, lines


def test_every_op_is_used():
    text = "".join(
        path.read_text() for path in (ROOT / "fastnn").rglob("*.p*") if path.suffix in (".py", ".pxi", ".pyx")
    )
    plans = "".join(path.read_text() for path in (ROOT / "fastnn/graph/lowering").glob("*.py"))
    for name in vars(_core.ops):
        assert re.search(rf"\bops\.{name}\b", text) or re.search(rf'(tep\(|op, .* = )"{name}",', plans), name


def test_nothing_is_forgotten():
    """The table, the functions, the layers and the records name the same element-wise functions."""
    rows = {ROWS_BY_OPTION.get(row, (row,))[0] for row in _core.ACTS}
    records = set(BY_NAME)
    assert rows == records | {learned.learned for learned in LEARNED}
    assert {row for row, learns in zip(_core.ACTS, _core.LEARNS, strict=True) if learns} == {x.learned for x in LEARNED}
    for learned in LEARNED:
        assert list(layer_of(learned)().state_dict()) == list(learned.given)
    assert {name for name in records if callable(getattr(functional, name, None))} == records
    assert {name for name in records if callable(getattr(functional, name + "_backward", None))} == records
    for op in OPS:
        assert layer_of(op)._function is getattr(functional, op.name)
    for row, (name, option) in ROWS_BY_OPTION.items():
        assert row in _core.ACTS
        assert option in BY_NAME[name].variants


def test_every_rule_and_every_loss_is_used():
    optimizers = "".join(path.read_text() for path in (ROOT / "fastnn/optim").glob("*.py"))
    named = {rule for rule in _core.RULES if f'"{rule}"' in optimizers}
    assert set(_core.RULES) - named == {"rmsprop_momentum", "rmsprop_centered", "rmsprop_centered_momentum"}  # composed
    assert max(len(states) for _, _, states in _core.RULES.values()) <= 4  # what optim.c has room for
    assert {type(rule.make([nn.Parameter([1.0])])) for rule in OPTIMIZERS} == {
        each for each in vars(fastnn.optim).values() if isinstance(each, type) and each is not fastnn.optim.Optimizer
    }
    losses = "".join(path.read_text() for path in (ROOT / "fastnn/functional").glob("_*_loss.py"))
    assert all(f'"{loss}"' in losses for loss in _core.LOSSES)


def check_documentation(name, documented, *sections):
    """Every section once, every parameter named, an example, no word in braces left to fill in."""
    doc = inspect.getdoc(documented)
    assert ">>>" in doc, f"{name} has no example"
    assert not re.search(r"\{\w+\}", doc), f"{name} has a word that is not filled in"
    headings = re.findall(r"^(\w[\w ]*)\n-{3,}$", doc, re.M)
    assert len(headings) == len(set(headings)), f"{name} has a section twice"
    assert set(sections) <= set(headings), f"{name} lacks one of {sections}"
    named = set(re.findall(r"\w+", "\n".join(re.findall(r"^(?:\w|\*).*$", doc, re.M))))
    assert set(inspect.signature(documented).parameters) <= named, f"{name} describes not all of its parameters"


def test_every_function_has_its_twin_and_its_documentation():
    for name in functional.__all__:
        function = getattr(functional, name)
        assert getattr(fastnn, name) is function
        assert getattr(nn.functional, name) is function
        check_documentation(name, function, "Parameters", "Returns", "Examples")
        if not name.endswith(("_backward", "_mask", "_stats", "one_hot", "_with_distance_loss")):
            assert hasattr(functional, name + "_backward"), name


@pytest.mark.parametrize("module", [nn, fastnn.optim, fastnn.optim.lr_scheduler], ids=lambda module: module.__name__)
def test_every_class_has_its_documentation(module):
    bases = {"Module", "Optimizer", "LRScheduler", "StateDictError"}  # of which objects are not made
    classes = {name: each for name, each in vars(module).items() if isinstance(each, type) and name in module.__all__}
    for name in sorted(classes.keys() - bases):
        takes = inspect.signature(classes[name]).parameters
        check_documentation(name, classes[name], "Examples", *(["Parameters"] if takes else []))


def test_every_function_declares_its_derivative():
    """Functions with a twin, but for those of one element, which Tensor serves; arguments are called as the function's."""
    composed = {*functional._recurrent_layers.__all__, *functional._recurrent_cells.__all__}  # of recorded calls
    others = {*BY_NAME, "gelu", *composed}
    for name in functional.__all__:
        if name.endswith("_backward") and (function_name := name.removesuffix("_backward")) not in others:
            function = getattr(functional, function_name)
            declared = DERIVATIVES[function]
            positions, names = declared.arguments
            known = inspect.signature(function).parameters
            assert set(declared.names) <= names == set(known) - {"out"}, name
            assert [*positions] == [
                each.name for each in known.values() if each.kind != each.KEYWORD_ONLY and each.name != "out"
            ]
            own = inspect.signature(declared.run).parameters
            assert {own[each].default for each in names & set(own)} == {
                known[each].default for each in names & set(own)
            }, name


def test_public_names_exist():
    for module in (fastnn, functional, nn, fastnn.optim):
        for name in module.__all__:
            assert hasattr(module, name), name


def test_files_hold_one_idea():
    paths = [path for path in (ROOT / "fastnn").rglob("*.p*") if path.suffix in (".py", ".pyx", ".pxi", ".pxd")]
    for path in [*paths, *(ROOT / "src_c").rglob("*.*")]:
        assert len(path.read_text().splitlines()) <= 450, path
