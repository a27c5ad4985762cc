# The page in a container.
#   CPU:   docker build -t posekit .                            && docker run -p 7860:7860 posekit
#   CUDA:  docker build -t posekit --build-arg ACCELERATOR=cuda . && docker run --gpus all -p 7860:7860 posekit
# PyPI's torch brings the CUDA libraries itself, so the plain Python image serves both; BASE names
# another one.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

ARG ACCELERATOR=cpu
ARG CPU_INDEX=https://download.pytorch.org/whl/cpu

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    GRADIO_ANALYTICS_ENABLED=False

WORKDIR /srv/posekit
# Before the code, so that a change of the code does not install everything again.
COPY requirements.txt ./
RUN case "$ACCELERATOR" in \
      cpu) pip install --extra-index-url "$CPU_INDEX" -r requirements.txt ;; \
      cuda) pip install -r requirements.txt ;; \
      *) echo "ACCELERATOR is cpu or cuda, not $ACCELERATOR" >&2; exit 1 ;; \
    esac

COPY . ./
RUN pip install --no-deps -e . \
    && useradd --create-home --uid 1000 posekit
USER posekit

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/', timeout=4)"]
CMD ["python", "-m", "app", "--host", "0.0.0.0", "--port", "7860"]
