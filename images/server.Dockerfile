# The servers of Prefect and MLflow: which of them runs is said by the command.
# docker build --file images/server.Dockerfile --tag REPOSITORY/server:VERSION .
FROM python:3.11-slim-bookworm AS build

ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /build
COPY images/server.lock ./
# uv comes from the lock too, by its hash; then it installs the rest.
RUN python -m venv /app \
    && awk '/^uv==/ {on = 1} on {print} on && !/\\$/ {exit}' server.lock >uv.lock \
    && /app/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement uv.lock \
    && VIRTUAL_ENV=/app /app/bin/uv pip sync --no-cache --require-hashes server.lock

FROM python:3.11-slim-bookworm

RUN useradd --uid 10001 --home-dir /tmp --shell /usr/sbin/nologin mlops
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1
# On Fargate a volume takes its owner and rights from the image, and the rest of the files is read-only.
VOLUME /tmp
WORKDIR /tmp
USER 10001
EXPOSE 4200 5000
CMD ["prefect", "version"]
