# The agent without the lab: it drills services and servers that are there already.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml constraints-agent.txt README.md LICENSE ./
COPY alertdrill alertdrill
COPY agent agent
COPY probes probes
COPY chaos chaos
COPY lab lab
COPY units units
COPY configs configs
RUN python -m venv /opt/alertdrill \
 && /opt/alertdrill/bin/pip install --no-cache-dir --require-hashes -r constraints-agent.txt \
 && /opt/alertdrill/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim
RUN useradd --system --create-home --uid 10001 alertdrill
COPY --from=build /opt/alertdrill /opt/alertdrill
ENV PATH=/opt/alertdrill/bin:$PATH
# As a number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 10001
WORKDIR /work
EXPOSE 9095
# The agent serves Alertmanager's webhooks and its own health on this port: `run` always, `drill` while a drill runs.
# It writes only to /tmp and to the folders that agent.yml names, so the root file system may be read-only.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9095/-/healthy', timeout=2)"]
ENTRYPOINT ["alertdrill"]
CMD ["--help"]
