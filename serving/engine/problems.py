"""What went wrong with the engine, as the end of its log tells it, and what to do about it.

Standard library only: the leash uses this.
"""

import re
from pathlib import Path

# Words of the log, and what they mean for the user. First match wins.
PATTERNS: dict[str, tuple[re.Pattern[str], str]] = {
    "kv-cache": (
        re.compile(
            r"KV cache (is needed|memory)|larger than the available KV cache|"
            r"No available memory for the cache blocks",
            re.I,
        ),
        "The KV cache is too small for this context length. Raise ROUNDS_KV_CACHE_GIB, "
        "or lower ROUNDS_MAX_MODEL_LEN.",
    ),
    "context-length": (
        re.compile(r"max_model_len .{0,40}is greater than the derived max_model_len"),
        "ROUNDS_MAX_MODEL_LEN is more than this model can read. Lower it or leave it out.",
    ),
    "memory": (
        re.compile(
            r"OutOfMemoryError|out of memory|can't allocate memory|Cannot allocate memory|"
            r"MemoryError|std::bad_alloc|Free memory on device|less than desired GPU memory"
            r"|Not enough memory|Available memory on node",
            re.I,
        ),
        "There was not enough memory. Close other programs, lower ROUNDS_KV_CACHE_GIB "
        "(or ROUNDS_MAX_MODEL_LEN), or choose a smaller model.",
    ),
    "port": (
        re.compile(r"[Aa]ddress already in use|Errno 98"),
        "The engine's port is taken by another program. Stop that program, or start again.",
    ),
    "architecture": (
        re.compile(
            r"are not supported for now|is not supported by vLLM|model type `.{1,80}` but "
            r"Transformers does not recognize|Unsupported model architecture|"
            r"Cannot find model module|No model architectures are specified"
        ),
        "vLLM does not know this model's architecture. Choose another model (ROUNDS_MODEL).",
    ),
    "remote-code": (
        re.compile(r"trust[_-]remote[_-]code`?\s*=\s*True|contains custom code"),
        "This model wants to run its own code, which is not allowed here. Choose another model.",
    ),
    "files": (
        re.compile(
            r"Cannot find any model weights|does not appear to have a file named|"
            r"No such file or directory: \S*\.(json|safetensors|model)\b|not a valid model|"
            r"Can't load the configuration|"
            r"SafetensorError|HeaderTooLarge|InvalidHeader|is not a local folder"
        ),
        "Files of the model are missing or damaged. `rounds doctor` says which; copy the model "
        "again, or delete its folder so that it is fetched anew.",
    ),
    "adapter-rank": (
        re.compile(r"LoRA rank \d+ is greater than max_lora_rank"),
        "An adapter's rank is more than ROUNDS_MAX_LORA_RANK. Raise it.",
    ),
    "threads": (
        re.compile(r"Resource temporarily unavailable|can't start new thread|Too many open files"),
        "The system's limit of processes or open files is reached. Raise it (ulimit -u, -n).",
    ),
    "driver": (
        re.compile(
            r"CUDA driver version is insufficient|no CUDA-capable device|CUDA error|"
            r"NVML.{0,40}(fail|not)",
            re.I,
        ),
        "The graphics card or its driver failed. Check nvidia-smi and the driver's version.",
    ),
    "flags": (
        re.compile(r"error: (unrecognized arguments|argument --|ambiguous option)"),
        "The installed vLLM does not know a flag that Rounds starts it with: the versions do not "
        "fit. Run `make setup` again.",
    ),
    "core": (
        re.compile(
            r"EngineDeadError|[Ee]ngine core proc\w* \S* ?died|EngineCore died|Worker proc "
            r"\S+ died"
        ),
        "The computing part of the engine died, most likely because the machine ran out of memory. "
        "Close other programs, lower ROUNDS_KV_CACHE_GIB, or choose a smaller model.",
    ),
    "install": (
        re.compile(
            r"No module named|undefined symbol|cannot open shared object|"
            r"operator torchvision::nms does not exist"
        ),
        "The installed packages do not fit together. `rounds doctor` says which; run `make setup`.",
    ),
}


# A second start would end the same way.
HOPELESS = {
    "kv-cache",
    "context-length",
    "architecture",
    "remote-code",
    "files",
    "flags",
    "install",
}

_NOT_ERRORS = re.compile(r"^\(.{1,40}? pid=\d+\) (DEBUG|INFO|WARNING) ")


def known_problem(log_tail: str) -> str | None:
    """Return the key in PATTERNS that fits the errors at the end of a log, or None."""
    # A healthy start warns of much that could go wrong.
    errors = "\n".join(line for line in log_tail.splitlines() if not _NOT_ERRORS.match(line))
    for key, (pattern, _) in PATTERNS.items():
        if pattern.search(errors) or re.search(rf"known as: [^;]*\b{key}\b", errors):
            return key
    return None


def hopeless(log_tail: str) -> bool:
    """Return whether another start would fail in the same way."""
    return known_problem(log_tail) in HOPELESS


def diagnose(log_tail: str, status: int | None = None, log: Path | None = None) -> str:
    """Return a sentence on why the engine ended and what to do, from the end of its log.

    status: its exit status as a shell has it (137: killed by signal 9). log: where to read on.
    """
    if problem := known_problem(log_tail):
        return PATTERNS[problem][1]
    if status in (137, -9):
        return (
            "The engine was killed (signal 9), most likely because the machine ran out of memory. "
            "Close other programs, lower ROUNDS_KV_CACHE_GIB, or choose a smaller model."
        )
    where = f" The log says more: {log}" if log else ""
    ended = f" (exit status {status})" if status is not None else ""
    return f"The engine ended unexpectedly{ended}.{where}"
