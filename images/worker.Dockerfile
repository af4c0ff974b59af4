# The worker and its flow runs: prefect-aws, this package and all that flows import.
# docker build --file images/worker.Dockerfile --tag REPOSITORY/worker:VERSION .
FROM python:3.11-slim-bookworm AS build

ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /build
COPY images/worker.lock pyproject.toml README.md ./
# uv comes from the lock too, by its hash; then it installs the rest.
RUN python -m venv /app \
    && awk '/^uv==/ {on = 1} on {print} on && !/\\$/ {exit}' worker.lock >uv.lock \
    && /app/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement uv.lock \
    && VIRTUAL_ENV=/app /app/bin/uv pip sync --no-cache --require-hashes worker.lock
COPY core core
COPY blocks blocks
COPY tasks tasks
COPY flows flows
COPY deployments deployments
RUN VIRTUAL_ENV=/app /app/bin/uv pip install --no-cache --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm

ARG COMMIT=""
RUN useradd --uid 10001 --home-dir /tmp --shell /usr/sbin/nologin mlops
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH \
    HOME=/tmp \
    PREFECT_INTEGRATIONS_MLOPS_COMMIT=$COMMIT \
    PYTHONUNBUFFERED=1
# On Fargate a volume takes its owner and rights from the image, and the rest of the files is read-only.
VOLUME /tmp
WORKDIR /tmp
USER 10001
CMD ["prefect", "version"]
