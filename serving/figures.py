"""What has been done since the start, counted where it happens, told by /metrics."""

from prometheus_client import Counter

# In no registry by themselves: the app that tells them registers them in its own.
DRAFTS = Counter("rounds_drafts", "Drafts started", registry=None)
OUTPUTS = Counter("rounds_outputs", "Model outputs stored", ["task"], registry=None)
TOKENS = Counter("rounds_tokens", "Tokens read and written", ["task", "kind"], registry=None)


def count_output(task: str, prompt_tokens: int, completion_tokens: int) -> None:
    """Count one stored output of a model and its tokens."""
    OUTPUTS.labels(task).inc()
    TOKENS.labels(task, "prompt").inc(prompt_tokens)
    TOKENS.labels(task, "completion").inc(completion_tokens)
