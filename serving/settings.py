"""Every setting of the workbench, read once from the environment (prefix ROUNDS_)."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_MODEL = "smollm2-135m-instruct"


def _default_home() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "rounds"


class Settings(BaseSettings):
    """Settings with their defaults; each is ROUNDS_<NAME> in the environment.

    A ValueError names the variable and what it may be.
    """

    model_config = SettingsConfigDict(env_prefix="ROUNDS_", extra="ignore", env_ignore_empty=True)

    home: Path = Field(default_factory=_default_home)  # store, logs, keys, documents
    models_dir: Path | None = None  # converted and downloaded models; None: home/models
    adapter_dirs: tuple[Path, ...] = ()  # more folders that adapters may be loaded from

    model: str = DEFAULT_MODEL  # the default model, a hub id or a folder
    preset: str | None = None  # template preset; None: guessed from the model
    vllm_url: str | None = None  # an engine that already runs, e.g. http://127.0.0.1:8000
    vllm_key: SecretStr | None = None
    max_model_len: int | None = None  # context in tokens; None: what model and preset allow
    lora_slots: Annotated[int, Field(ge=0, le=64)] = 2
    max_lora_rank: Annotated[int, Field(ge=1, le=512)] = 64
    kv_cache_gib: Annotated[int, Field(ge=1)] = 2  # CPU only: space for the KV cache
    engine_timeout_s: float = 900.0  # longest wait for the engine to become ready

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 7860
    allow_remote: bool = False  # must be true to listen beyond this machine
    allowed_hosts: tuple[str, ...] = ()  # Host headers answered beyond loopback's, with port
    database_url: str | None = None  # None: SQLite in home; postgresql+psycopg://… otherwise
    chroma_url: str | None = None  # None: embedded; http://host:port of a Chroma server otherwise
    max_in_flight: Annotated[int, Field(ge=1)] = 16  # requests at the engine at once
    max_waiting: Annotated[int, Field(ge=0)] = 200  # requests in line behind them
    max_upload_mb: Annotated[int, Field(ge=1)] = 256

    @field_validator("vllm_url", "chroma_url")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/") if value else value

    @property
    def models_path(self) -> Path:
        """Return the folder that holds converted and downloaded models."""
        return self.models_dir or self.home / "models"

    @property
    def store_url(self) -> str:
        """Return the SQLAlchemy URL of the store."""
        return self.database_url or f"sqlite:///{self.home / 'rounds.db'}"

    @property
    def logs_path(self) -> Path:
        """Return the folder of the log files (which hold no patient text)."""
        return self.home / "logs"

    def prepare_home(self) -> None:
        """Make the home folders, readable by this user only."""
        for folder in (self.home, self.logs_path):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.home.chmod(0o700)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process."""
    return Settings()
