"""What the environment decides. Every name is in README's table of configuration."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.core.errors import Refusal


class SettingMissing(Refusal):
    """Something that the environment must say and does not."""

    status = 500


class Settings(BaseSettings):
    """Each field is the environment variable of its alias."""

    model_config = SettingsConfigDict(populate_by_name=True, extra="ignore")

    database_url: str = Field("", alias="DATABASE_URL")
    broker_url: str = Field("redis://127.0.0.1:6379/0", alias="BROKER_URL")
    storage_url: str = Field("", alias="STORAGE_URL")
    blobs_url: str = Field("", alias="BLOBS_URL")
    """Where blobs are kept besides the storage's folder, which is then a cache: an fsspec URL such as s3://bucket/blobs."""
    trainer_folder: Path | None = Field(None, alias="TRAINER_FOLDER")
    """Where a trainer works that does not see the storage: files are fetched from STORAGE_URL and put there."""

    secret_key: SecretStr = Field(SecretStr(""), alias="SECRET_KEY")
    data: Path = Field(Path("data"), alias="ASSAY_DATA")
    host: str = Field("127.0.0.1", alias="ASSAY_HOST")
    port: int = Field(8000, alias="ASSAY_PORT", ge=1, le=65535)
    public_url: str = Field("", alias="ASSAY_PUBLIC_URL")
    smtp_url: SecretStr = Field(SecretStr(""), alias="SMTP_URL")
    mail_from: str = Field("", alias="MAIL_FROM")
    openai_base_url: str = Field("", alias="OPENAI_BASE_URL")
    openai_api_key: SecretStr = Field(SecretStr(""), alias="OPENAI_API_KEY")
    openai_model: str = Field("", alias="OPENAI_MODEL")
    base_model: str = Field("", alias="BASE_MODEL")
    outside_allowed: str = Field("", alias="OUTSIDE_ALLOWED")
    """Networks, between commas, that addresses given by users may reach although they are not public."""

    metrics_token: SecretStr = Field(SecretStr(""), alias="METRICS_TOKEN")
    """What a Prometheus server sends as its bearer token; without it, /metrics answers this machine alone."""

    log_format: Literal["text", "json"] = Field("text", alias="LOG_FORMAT")
    access_log: bool = Field(False, alias="ACCESS_LOG")
    """One log line for each answered request, but for machines' own questions (health, metrics, static files)."""

    push_to: str = Field("", alias="PUSH_TO")
    """Folders and storage URLs, between commas, below which checkpoints may be pushed."""

    trainer_gpus: str = Field("", alias="TRAINER_GPUS")
    """Graphics cards, between commas, that trainers here may hold: numbers or UUIDs of nvidia-smi, or "none"."""

    gpus_per_run: int = Field(1, alias="GPUS_PER_RUN", ge=1)
    """How many of them a trainer holds, and a run is shared out over."""

    run_processes: int = Field(0, alias="RUN_PROCESSES", ge=0)
    """Processes of a run, where the recipe can be shared out; 0 for one a card."""

    trainer_locks: Path = Field(Path(tempfile.gettempdir()) / "assay-cards", alias="TRAINER_LOCKS")
    """A folder that all trainers of a machine share: who holds which card."""

    run_hours: float = Field(0.0, alias="RUN_HOURS", ge=0)
    """Hours that a run may be executed; 0 for no limit."""

    run_cpu_hours: float = Field(0.0, alias="RUN_CPU_HOURS", ge=0)
    """Hours of processor time, of all its processes together; 0 for no limit."""

    run_memory_gib: float = Field(0.0, alias="RUN_MEMORY_GIB", ge=0)
    """Memory that a run's processes may hold together, in GiB; 0 for no limit."""

    playground_idle: float = Field(300.0, alias="PLAYGROUND_IDLE", ge=0)
    """Seconds without a question after which the playground's models are unloaded."""

    playground_models: int = Field(3, alias="PLAYGROUND_MODELS", ge=1)
    """Models that the playground keeps loaded at once."""

    playground_device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", alias="PLAYGROUND_DEVICE")
    playground_seconds: float = Field(900.0, alias="PLAYGROUND_SECONDS", gt=0)
    """Seconds that answering and judging one question may take, loading included."""

    retain_days: int = Field(400, alias="RETAIN_DAYS", ge=1)
    """Days that sessions, links and tokens are kept after their end, with the addresses that they came from."""

    oidc_issuer: str = Field("", alias="OIDC_ISSUER")
    oidc_client_id: str = Field("", alias="OIDC_CLIENT_ID")
    oidc_client_secret: SecretStr = Field(SecretStr(""), alias="OIDC_CLIENT_SECRET")
    oidc_name: str = Field("", alias="OIDC_NAME")
    """What the button on the sign-in page calls the provider; its host where nothing is said."""

    def database_url_or_refuse(self) -> str:
        if not self.database_url:
            raise SettingMissing(
                "No database is named.", "DATABASE_URL", "Start everything with `assay up`, or set it."
            )
        return self.database_url.replace("postgresql://", "postgresql+psycopg://", 1)

    def storage_root(self) -> Path:
        """The folder of blobs, datasets and runs. Raises SettingMissing for a scheme other than file."""
        if self.trainer_folder is not None:
            return self.trainer_folder.resolve()
        parts = urlsplit(self.storage_url)
        if parts.scheme not in ("", "file"):
            raise SettingMissing(f"Storage at {parts.scheme}:// is not supported.", "STORAGE_URL", "Name a folder.")
        return Path(parts.path).resolve() if self.storage_url else (self.data / "storage").resolve()

    def base_model_or_tiny(self) -> str:
        """The base model of new runs: the configured one, or the tiny one that seeding built."""
        return self.base_model or str((self.storage_root() / "models" / "tiny").resolve())


@cache
def settings() -> Settings:
    return Settings()  # type: ignore[call-arg]
