"""Ask a vLLM server how it is, and send it one request of each kind so that later ones are fast."""

from typing import Any

import httpx2

# Invented words: no patient text is ever used to warm up.
_WORDS = "Answer in one word. Is the sky blue on a clear day?"
_KINDS: tuple[dict[str, Any], ...] = (
    {"stream": True},
    {"structured_outputs": {"json": {"type": "object", "properties": {"a": {"type": "string"}},
                                     "required": ["a"], "additionalProperties": False}}},
    {"structured_outputs": {"choice": ["yes", "no"]}},
    {"structured_outputs": {"regex": r"[a-z]{1,8}"}},
    {"logprobs": 1},
)  # fmt: skip


def client(base_url: str, api_key: str | None) -> httpx2.AsyncClient:
    """Return an HTTP client for a server; it takes no proxy from the environment."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=5.0, trust_env=False)


async def healthy(http: httpx2.AsyncClient) -> bool:
    """Return whether /health answers 200; never raises."""
    try:
        return (await http.get("/health")).status_code == httpx2.codes.OK
    except httpx2.HTTPError:
        return False


async def models(http: httpx2.AsyncClient) -> list[str]:
    """Return the names the server answers for; raises httpx2.HTTPError."""
    answer = await http.get("/v1/models")
    answer.raise_for_status()
    return [str(model["id"]) for model in answer.json()["data"]]


async def warm_up(http: httpx2.AsyncClient, model: str) -> None:
    """Send one short request of each kind; raises httpx2.HTTPError where one is refused."""
    for kind in _KINDS:
        body = {"model": model, "prompt": _WORDS, "max_tokens": 8, "temperature": 0, **kind}
        async with http.stream("POST", "/v1/completions", json=body, timeout=300) as answer:
            answer.raise_for_status()
            await answer.aread()
