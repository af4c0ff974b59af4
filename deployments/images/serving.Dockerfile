# The one image that serves every model: it fetches a bento by digest from S3 when it starts.
# Build it in the repository's root: docker build --file deployments/images/serving.Dockerfile --tag serving:1 .
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /srv/build
COPY requirements-serving.lock ./
RUN python -m venv /srv/venv \
    && /srv/venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements-serving.lock

FROM python:3.11.14-slim-bookworm
# LightGBM needs libgomp1.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 mlops \
    && useradd --system --uid 10001 --gid mlops --home-dir /srv/serving --no-create-home --shell /usr/sbin/nologin mlops \
    && install --directory --owner mlops --group mlops /srv/serving
COPY --from=build /srv/venv /srv/venv
COPY tasks/bento_service/start.py /srv/start.py
ENV PATH=/srv/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MLOPS_FOLDER=/srv/serving \
    BENTOML_DO_NOT_TRACK=true \
    DO_NOT_TRACK=1
WORKDIR /srv/serving
USER 10001:10001
EXPOSE 3000
CMD ["python", "/srv/start.py"]
