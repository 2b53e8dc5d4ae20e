"""calls.py: prints the records' C calls as functions that selftest.c includes, once for float and once for double."""

import sys
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from records import RECORDS

OWN = [record for record in RECORDS if ";" in record.native]


def function(record) -> str:
    """One record's calls; what they add up to is printed under its name."""
    body = textwrap.indent(textwrap.dedent(record.native.strip("\n")), "    ")
    return (
        f'static void FN(run_{record.name})(void)\n{{\n    BUFFERS;\n{body}\n    finish("{record.name}", TYPE);\n}}\n'
    )


if __name__ == "__main__":
    print("/* Written by calls.py from tests/records. */")
    print("\n".join(function(record) for record in OWN))
    print("#undef RECORDED")
    print("#define RECORDED " + ", ".join(f"FN(run_{record.name})" for record in OWN))
