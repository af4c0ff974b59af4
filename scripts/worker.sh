#!/usr/bin/env bash
# Makes .worker hold what the worker's image has besides .venv, as requirements-images.lock names it: prefect-aws and
# its boto3. A stamp makes a second run free.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONDONTWRITEBYTECODE
exec 9<scripts/worker.sh # of two at once the second waits
! command -v flock >/dev/null || flock 9

packages='aiobotocore|aioitertools|boto3|botocore|prefect-aws|tenacity'
stamp=.worker/.lock.sha256
digest=$({ pwd; cat requirements-images.lock scripts/worker.sh; } | sha256sum | cut -d ' ' -f 1)
if [[ -x .worker/bin/python && -f $stamp && $(cat "$stamp") == "$digest" ]]; then
    exit 0
fi
rm -rf .worker
"$(readlink -f .venv/bin/python)" -m venv --without-pip .worker
awk -v wanted="^($packages)==" '$0 ~ wanted {on = 1} on {print} on && !/\\$/ {on = 0}' requirements-images.lock >.worker/lock
VIRTUAL_ENV="$PWD/.worker" UV_COMPILE_BYTECODE=1 .venv/bin/uv --quiet pip install --no-deps --require-hashes -r .worker/lock || {
    echo "worker: the packages could not be installed (the lines above say which). Check the network, or name an index in UV_DEFAULT_INDEX; then run this again." >&2
    exit 1
}
# All else is that of .venv, and comes after what is here.
site=$(.worker/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
theirs=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "import site; site.addsitedir('$theirs')" >"$site/zz-venv.pth"
echo "$digest" >"$stamp"
