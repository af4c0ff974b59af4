#!/usr/bin/env bash
# Makes .tools hold what requirements-tools.lock says: checkers whose own pins cannot live beside ours.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

digest=$({ pwd; cat requirements-tools.lock; } | sha256sum | cut -d ' ' -f 1)
stamp=.tools/.lock.sha256
if [[ -f $stamp && $(cat "$stamp") == "$digest" ]]; then
    exit 0
fi
rm -rf .tools
.venv/bin/uv venv --quiet --python .venv/bin/python .tools
if ! .venv/bin/uv pip install --quiet --python .tools/bin/python --require-hashes -r requirements-tools.lock; then
    echo "tools: the packages could not be installed. Check the network, or name an index that can be reached in UV_DEFAULT_INDEX." >&2
    exit 1
fi
echo "$digest" >"$stamp"
echo "tools: .tools is ready"
