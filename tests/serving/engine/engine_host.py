"""A parent for a real engine, to be killed by its test: engine_host.py HOME MODELS."""

import asyncio
import sys
from pathlib import Path

from serving.engine.supervisor import Engine
from serving.models.files import ensure_model
from serving.settings import Settings


async def main() -> None:
    settings = Settings(home=Path(sys.argv[1]), models_dir=Path(sys.argv[2]), kv_cache_gib=1)
    engine = Engine(settings, ensure_model(settings))
    await engine.start()
    await asyncio.Event().wait()


asyncio.run(main())
