"""/api/models: what is served; admins load, assign and unload adapters."""

from dataclasses import asdict

from fastapi import APIRouter

from serving.api.people import Admin, Anyone, Bench
from serving.api.schemas import ERRORS, AssignIn, ModelOut, ModelsOut

router = APIRouter(prefix="/api/models", tags=["models"])


@router.get("", responses=ERRORS)
async def models(bench: Bench, _account: Anyone) -> ModelsOut:
    """List what the engine serves, with digests and health, and which adapters may be loaded."""
    return ModelsOut(
        engine=bench.engine.state,
        reason=bench.engine.reason,
        models=[ModelOut.model_validate(asdict(m)) for m in await bench.registry.status()],
        available=sorted(bench.registry.available()),
    )


@router.post("/{folder}/load", responses=ERRORS)
async def load(folder: str, bench: Bench, _account: Admin) -> dict[str, str]:
    """Load an available adapter and return the name it is served under."""
    return {"name": await bench.registry.load(folder)}


@router.post("/assign", responses=ERRORS)
async def assign(body: AssignIn, bench: Bench, account: Admin) -> dict[str, str]:
    """Let a loaded model answer for an alias from now on."""
    served = await bench.registry.assign(body.alias, body.model, account.id)
    return {"alias": served.alias, "model": served.model}


@router.post("/{name}/unload", responses=ERRORS)
async def unload(name: str, bench: Bench, _account: Admin) -> dict[str, str]:
    """Unload an adapter that no alias uses, after the answers in flight."""
    await bench.registry.unload(name)
    return {"unloaded": name}
