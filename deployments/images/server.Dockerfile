# The image of the Prefect server and of MLflow's: the same locked packages as the worker's, none of our code, no root.
# Build it in the repository's root: docker build --file deployments/images/server.Dockerfile --tag server:1 .
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /srv/build
COPY requirements-images.lock ./
RUN python -m venv /srv/venv \
    && /srv/venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements-images.lock

FROM python:3.11.14-slim-bookworm
RUN groupadd --system --gid 10001 mlops \
    && useradd --system --uid 10001 --gid mlops --home-dir /tmp --no-create-home --shell /usr/sbin/nologin mlops
COPY --from=build /srv/venv /srv/venv
# Prefect writes its pages where it is installed, unless it is told of a folder that its user may write to.
ENV PATH=/srv/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PREFECT_HOME=/tmp/prefect \
    PREFECT_UI_STATIC_DIRECTORY=/tmp/prefect-ui \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    PREFECT_DEPLOYMENT_CONCURRENCY_SLOT_WAIT_SECONDS=5 \
    MLFLOW_DISABLE_TELEMETRY=true \
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
# On Fargate a volume takes its owner and rights from the image; what else a service has is read-only.
VOLUME /tmp
WORKDIR /tmp
USER 10001:10001
EXPOSE 4200 5000
CMD ["prefect", "server", "start", "--host", "0.0.0.0", "--port", "4200"]
