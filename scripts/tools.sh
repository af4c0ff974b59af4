#!/usr/bin/env bash
# Makes .tools hold what looks at Terraform, images and workflows; a stamp makes a second run free.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONDONTWRITEBYTECODE
exec 9<scripts/tools.sh # of two at once the second waits
! command -v flock >/dev/null || flock 9

stamp=.tools/.lock.sha256
digest=$({ pwd; cat requirements-tools.lock; } | sha256sum | cut -d ' ' -f 1)
if [[ -x .tools/bin/python && -f $stamp && $(cat "$stamp") == "$digest" ]]; then
    exit 0
fi
echo "tools: installing what requirements-tools.lock names (the first time this takes a minute)"
rm -rf .tools
"$(readlink -f .venv/bin/python)" -m venv .tools
VIRTUAL_ENV="$PWD/.tools" UV_COMPILE_BYTECODE=1 .venv/bin/uv --quiet pip sync --require-hashes requirements-tools.lock || {
    echo "tools: the packages could not be installed (the lines above say which). Check the network, or name an index in UV_DEFAULT_INDEX; then run this again." >&2
    exit 1
}
echo "$digest" >"$stamp"
