#!/usr/bin/env bash
# wheel.sh PYTHON WHEEL: the wheel alone in a new environment, as users have it: it works, its types hold, it is small.
set -euo pipefail
python=$(realpath -s "$1")
wheel=$(realpath "$2")
program=$(cd "$(dirname "$0")" && pwd)/user_program.py
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$python" -m venv user
user/bin/pip install -q "$wheel"
user/bin/python "$program"
user/bin/fastnn info > /dev/null

# The same from a folder of wheels, on a machine that has no compiler and reaches no index.
"$python" -m pip download -q --only-binary :all: -d wheels "$wheel"
"$python" -m venv alone
mkdir nothing
env -i PATH="$work/nothing" HOME="$work" "$work/alone/bin/python" -m pip install -q --no-index --find-links wheels fastnn-cpu
env -i PATH="$work/nothing" HOME="$work" "$work/alone/bin/python" "$program"

size=$(user/bin/python -c "
from pathlib import Path
import fastnn
folder = Path(fastnn.__file__).parent
parts = [folder, *folder.parent.glob('fastnn_cpu.libs')]
print(sum(f.stat().st_size for part in parts for f in part.rglob('*') if f.is_file() and f.suffix != '.pyc'))")
echo "installed: $size bytes"
[ "$size" -lt 4000000 ]
user/bin/pip install -q mypy
user/bin/mypy --strict "$program"
