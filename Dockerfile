# n8n-medic: the web and the worker, one image. docker-compose.yml runs it; docs/docker.md tells the rest.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/medic
COPY requirements.txt constraints.txt ./
RUN /opt/medic/bin/pip install --no-cache-dir --disable-pip-version-check -r requirements.txt -c constraints.txt
COPY pyproject.toml README.md LICENSE ./
COPY recovery recovery
COPY webhook_server webhook_server
COPY n8n_workflows n8n_workflows
RUN /opt/medic/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps .

FROM python:3.13-slim
LABEL org.opencontainers.image.title="n8n-medic" org.opencontainers.image.licenses="MIT"
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin medic \
 && install -d -o medic -g medic -m 700 /data \
 && install -d /config
COPY --from=build /opt/medic /opt/medic
ENV PATH=/opt/medic/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/data MEDIC_DATA_DIR=/data MEDIC_BIND=0.0.0.0:8808
USER medic
WORKDIR /config
VOLUME /data
EXPOSE 8808
HEALTHCHECK --interval=30s --timeout=10s --start-period=1m CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8808/readyz', timeout=5)"]
CMD ["medic", "serve"]
