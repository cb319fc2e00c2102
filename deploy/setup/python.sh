#!/usr/bin/env bash
# .venv with the versions of constraints.txt; made anew when those, the project file or the place of the checkout change.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/setup/say.sh

stamp=.venv/exchange.stamp
wanted="$(checksum pyproject.toml constraints.txt) $PWD"
if [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ] && [ -x .venv/bin/python ]; then exit 0; fi

python="$(find_python)"
[ -n "$python" ] || stop "Python 3.11 or later is needed: apt-get install python3 python3-venv" \
    "需要 Python 3.11 或更高版本：apt-get install python3 python3-venv"

say "Installing the Python packages into .venv …" "正在将 Python 软件包安装到 .venv …"
"$python" -m venv --clear .venv
pip() { .venv/bin/python -m pip install --quiet --disable-pip-version-check --retries 5 -c constraints.txt "$@"; }
# The build backend comes from the constraints as well, so that nothing unpinned is fetched for the build.
pip setuptools wheel
pip --no-build-isolation -e '.[dev]'
printf '%s' "$wanted" >"$stamp"
