# The image of the worker and of flow runs: the package, all from a lock, compiled, and no root.
# Build it in the repository's root: docker build --file deployments/images/worker.Dockerfile --tag worker:1 .
FROM python:3.11.14-slim-bookworm AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /srv/build
COPY requirements-images.lock requirements-dev.lock ./
# pip compiles what it installs, which halves the time in which a run begins; setuptools only builds our own package.
RUN python -m venv /srv/venv \
    && awk '/^setuptools==/ {on = 1} on {print} on && !/\\$/ {exit}' requirements-dev.lock > setuptools.lock \
    && python -m pip install --no-cache-dir --no-deps --require-hashes -r setuptools.lock \
    && /srv/venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements-images.lock
COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY blocks blocks
COPY tasks tasks
COPY flows flows
COPY deployments deployments
RUN python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . \
    && /srv/venv/bin/pip install --no-cache-dir --no-deps dist/*.whl

FROM python:3.11.14-slim-bookworm
# git fetches code for deployments with a git_clone step; LightGBM needs libgomp1.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 mlops \
    && useradd --system --uid 10001 --gid mlops --home-dir /srv/project --no-create-home --shell /usr/sbin/nologin mlops \
    && install --directory --owner mlops --group mlops /srv/project
COPY --from=build /srv/venv /srv/venv
# A project's own gates, trainers and services are importable from /srv/project; what is pulled, from the run's folder.
ENV PATH=/srv/venv/bin:$PATH \
    PYTHONPATH=/srv/project \
    PYTHONUNBUFFERED=1 \
    PREFECT_HOME=/tmp/prefect \
    PREFECT_INTEGRATIONS_MLOPS_HOME=/tmp/mlops \
    MLFLOW_DISABLE_TELEMETRY=true \
    BENTOML_DO_NOT_TRACK=true \
    DO_NOT_TRACK=1
# Lineage names the commit where git cannot be asked: docker build --build-arg COMMIT=$(git rev-parse HEAD)
ARG COMMIT=""
ENV PREFECT_INTEGRATIONS_MLOPS_COMMIT=$COMMIT
# On Fargate a volume takes its owner and rights from the image; what else a service has may be read-only.
VOLUME /tmp
WORKDIR /srv/project
USER 10001:10001
CMD ["prefect", "worker", "start", "--help"]
