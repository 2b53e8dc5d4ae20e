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
