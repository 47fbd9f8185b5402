# Two images from one file: `web` (web server, worker, beat, migrations) and `trainer` (the same with torch).
FROM python:3.11-slim-bookworm AS web
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --create-home --uid 10001 assay && install --directory --owner=assay /srv/storage /srv/cards
WORKDIR /srv/assay
COPY pyproject.toml README.md alembic.ini ./
COPY locks locks
COPY app app
COPY worker worker
COPY ml ml
COPY migrations migrations
COPY templates templates
COPY locale locale
COPY static static
# Every file must have a hash that locks/ names.
RUN pip install --require-hashes --no-deps -r locks/build.txt -r locks/base.txt -r locks/video.txt -r locks/otel.txt \
 && pip install --no-deps --no-build-isolation --editable .
USER assay
EXPOSE 8000
CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000"]

FROM web AS trainer
USER root
# torch exists as several builds, so that no hash names it: its exact version, then the rest as locked.
RUN pip install "$(sed -n 's/.*"\(torch==[^"]*\)".*/\1/p' pyproject.toml)" \
 && pip install --require-hashes --no-deps -r locks/ml.txt -r locks/qlora.txt -r locks/sftp.txt \
 && install --directory --owner=assay /home/assay/.cache /home/assay/.cache/huggingface
USER assay
CMD ["celery", "--app", "worker.celery:app", "worker", "--queues", "gpu", "--concurrency", "1"]
