"""The engine's log holds no patient text, and its end says what went wrong."""

import io
import stat
from pathlib import Path

import pytest

from serving.engine.log_file import Redactor, copy_log, diagnose, hopeless, log_tail

PATIENT = "Mrs Example has carcinoma"
CORE = "(EngineCore pid=12) "
SERVING = "INFO:     Application startup complete."

# Lines as vLLM writes them when something goes wrong while it serves.
LEAKY = f"""\
(EngineCore pid=12) ERROR 11-20 05:16:21 [dump_input.py:79] Dumping scheduler output for model \
execution: NewRequestData(sampling_params=SamplingParams(structured_outputs=['{PATIENT}']))
(EngineCore pid=12) ERROR 11-20 05:16:21 [__init__.py:208] Failed to compile {PATIENT}
(EngineCore pid=12) ERROR 11-20 05:16:21 [__init__.py:208] ValueError: bad regex {PATIENT}
(EngineCore pid=12) WARNING 11-20 05:16:21 [backend_guidance.py:231] LLMatcher error: {PATIENT}
(APIServer pid=9) INFO 11-20 05:16:21 [async_llm.py:795] Request 1 failed (bad request): {PATIENT}
Traceback (most recent call last):
  File "/x/vllm/v1/engine/core.py", line 12, in step
    raise ValueError("{PATIENT}")
ValueError: {PATIENT}
pydantic_core._pydantic_core.ValidationError: 1 error for X
  input_value='{PATIENT}'
{PATIENT}
{PATIENT}
"""


def through(text: str) -> str:
    redact = Redactor()
    return "\n".join(kept for line in text.splitlines() if (kept := redact(line)) is not None)


def test_no_patient_text_while_it_serves() -> None:
    out = through(SERVING + "\n" + LEAKY)
    assert PATIENT not in out and "carcinoma" not in out
    assert "[dump_input.py:79]" in out  # who spoke and where is kept
    assert 'core.py", line 12, in step' in out
    assert "ValueError" in out and "ValidationError" in out


def test_all_is_kept_before_the_first_request() -> None:
    line = "ValueError: max seq len (8192) is larger than the available KV cache memory"
    assert through(line) == line


def test_harmless_lines_stay_whole() -> None:
    line = (
        "(APIServer pid=9) INFO 11-20 05:16:21 [loggers.py:271] Engine 000: Avg prompt throughput: "
        "12.0 tokens/s, Running: 1 reqs"
    )
    assert through(SERVING + "\n" + line).endswith(line)


def test_a_known_problem_is_told_without_its_words() -> None:
    line = CORE + "ERROR 11-20 05:16:21 [core.py:1] torch.OutOfMemoryError: for " + PATIENT
    out = through(SERVING + "\n" + line)
    assert PATIENT not in out
    assert "not enough memory" in diagnose(out)


@pytest.mark.parametrize(
    ("line", "words", "for_good"),
    [
        (
            "ValueError: To serve at least one request with the models's max seq len (8192), 0.70 "
            "GiB KV cache is needed, which is larger than the available KV cache memory (0.1 GiB).",
            "ROUNDS_KV_CACHE_GIB",
            True,
        ),
        (
            "Value error, User-specified max_model_len (99999) is greater than the derived "
            "max_model_len (max_position_embeddings=8192",
            "ROUNDS_MAX_MODEL_LEN",
            True,
        ),
        ("torch.OutOfMemoryError: CUDA out of memory.", "not enough memory", False),
        ("RuntimeError: DefaultCPUAllocator: can't allocate memory", "not enough memory", False),
        ("OSError: [Errno 98] Address already in use", "port is taken", False),
        ("Model architectures ['Foo'] are not supported for now.", "architecture", True),
        ("RuntimeError: Cannot find any model weights with `/m`", "missing or damaged", True),
        ("safetensors_rust.SafetensorError: Error while deserializing", "damaged", True),
        ("api_server.py: error: unrecognized arguments: --foo", "make setup", True),
        ("ModuleNotFoundError: No module named 'vllm'", "make setup", True),
        ("something nobody knows", "ended unexpectedly", False),
    ],
)
def test_known_problems(line: str, words: str, for_good: bool) -> None:
    assert words in diagnose(line)
    assert hopeless(line) is for_good


def test_warnings_of_a_healthy_start_are_no_reason() -> None:
    tail = (
        "(APIServer pid=9) WARNING 11-20 05:16:21 [system_utils.py:255] Found ulimit of 20000 and "
        "failed to automatically increase: `OSError: [Errno 24] Too many open files`."
    )
    assert "signal 9" in diagnose(tail, 137)
    assert "exit status 3" in diagnose(tail, 3)


def test_an_unknown_end_points_to_the_log(tmp_path: Path) -> None:
    assert str(tmp_path / "engine.log") in diagnose("", 1, tmp_path / "engine.log")


def test_the_log_is_rotated_and_private(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "engine.log"
    for run in range(5):
        copy_log(io.BytesIO(f"run {run} 100%\n".encode()), path)
    assert path.read_text() == "run 4 100%\n"
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "engine.log",
        "engine.log.1",
        "engine.log.2",
        "engine.log.3",
    ]
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in path.parent.iterdir())
    assert log_tail(path, 5) == "100%\n"
    assert log_tail(tmp_path / "none") == ""


@pytest.mark.parametrize(
    "line",
    [
        "FileNotFoundError: [Errno 2] No such file or directory: 'lscpu'",
        "ERROR 11-20 [dump_input.py:72] with config: trust_remote_code=False, dtype=torch.bfloat16",
    ],
)
def test_what_only_sounds_like_a_bad_model_is_not_taken_for_one(line: str) -> None:
    said = diagnose(line)
    assert "own code" not in said and "Files of the model" not in said


def test_a_missing_model_file_is() -> None:
    assert "Files of the model" in diagnose("[Errno 2] No such file or directory: '/m/config.json'")
