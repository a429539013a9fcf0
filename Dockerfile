# The four images: docker build --build-arg SERVICE=gateway -t retake-gateway . (or generator, review, compiler).
# They share every layer but the last. Nothing comes from outside but the base and what the lock names by its hash.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS packages
COPY requirements-service.lock /tmp/
# For a registry behind a proxy: a base with its CA bundle, and PIP_CERT or PIP_INDEX_URL in its environment.
RUN python3 -m venv /opt/retake \
    && /opt/retake/bin/python -m pip install --disable-pip-version-check --no-cache-dir \
        --no-deps --require-hashes --only-binary=:all: -r /tmp/requirements-service.lock \
    && /opt/retake/bin/python -m pip uninstall --quiet --yes pip setuptools \
    && /opt/retake/bin/python -m compileall -q -j 0 /opt/retake/lib
ARG VERSION=0.1.0
# The bill of materials: what was installed here, and the base's own packages.
COPY deploy/images/sbom.py /tmp/
RUN python3 /tmp/sbom.py --version "${VERSION}" --python /opt/retake/lib/python3*/site-packages > /tmp/sbom.cdx.json
# Services ask for the version of the package `retake`, which is copied, not installed: without this none starts.
RUN folder="$(echo /opt/retake/lib/python3*/site-packages)/retake-${VERSION}.dist-info" && mkdir "$folder" \
    && printf 'Metadata-Version: 2.1\nName: retake\nVersion: %s\n' "${VERSION}" > "$folder/METADATA"

FROM ${BASE}
ENV PATH=/opt/retake/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
WORKDIR /app
# A named volume takes its owner from here.
RUN mkdir /work /signing && chown 10001:10001 /work /signing
COPY --from=packages /opt/retake /opt/retake
COPY LICENSE THIRD-PARTY-NOTICES.md /licenses/
COPY --from=packages /tmp/sbom.cdx.json /licenses/
COPY shared /app/shared
COPY services/__init__.py /app/services/
RUN python -m compileall -q /app
ARG SERVICE
COPY services/${SERVICE} /app/services/${SERVICE}
# The root of a container is read-only at run time, so what Python would cache is made here.
RUN python -m compileall -q /app/services && python -c "import services.${SERVICE}.main"
ENV RETAKE_SERVICE=${SERVICE} \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8000
# dumb-init is the first process: a killed ffmpeg leaves children behind that somebody must reap.
ENTRYPOINT ["/opt/retake/bin/dumb-init", "--single-child", "--"]
CMD ["/bin/sh", "-c", "exec python -m shared.web.server \"$RETAKE_SERVICE\""]
# Last, as they differ with every commit: what is above stays in the caches of builders and nodes.
ARG VERSION=0.1.0
ARG REVISION=unknown
# ffmpeg and espeak-ng, which are inside, are under the GPL; their notices lie in /licenses.
LABEL org.opencontainers.image.title="Retake" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.licenses="Apache-2.0 AND GPL-3.0-or-later"
