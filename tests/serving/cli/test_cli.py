"""The command line as a user runs it: real processes, a real engine where one is needed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from serving.cli.jobs import _tag_line
from serving.cli.session import for_batch
from serving.client import Completion
from serving.client.gate import Gate
from serving.errors import RoundsError
from serving.intake import demo
from serving.intake.jsonl import TagInput
from serving.jobs.batch import in_order
from serving.jobs.tagging import Tagging
from serving.models.registry import Registry
from serving.settings import Settings
from tests.conftest import EngineServer
from tests.serving.jobs.fakes import FakeClient

ROOT = Path(__file__).parents[3]


def rounds(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture
def engine_env(home: Path, engine_server: EngineServer) -> dict[str, str]:
    return {
        "ROUNDS_HOME": str(home),
        "ROUNDS_VLLM_URL": engine_server.url,
        "ROUNDS_VLLM_KEY": engine_server.key,
        "ROUNDS_MODEL": str(engine_server.model.path),
    }


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, app\n"
        "from typer.testing import CliRunner\n"
        "assert CliRunner().invoke(app.cli, ['--help']).exit_code == 0\n"
        "heavy = {'torch', 'transformers', 'vllm', 'chromadb', 'gradio', 'pydantic', 'sqlalchemy',"
        " 'openai', 'polars', 'pyarrow', 'fastapi'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_wrong_setting_is_named_with_what_it_may_be(home: Path) -> None:
    done = rounds("link", ROUNDS_PORT="seventy", ROUNDS_HOME=str(home))
    assert done.returncode == 2
    assert "ROUNDS_PORT" in done.stderr and "Traceback" not in done.stderr


def test_tokens_are_made_listed_and_revoked(home: Path) -> None:
    secret = rounds("token", "create", "nightly").stdout.strip()
    assert secret.startswith("rnd_") and len(secret) > 40
    listed = rounds("token", "list").stdout
    assert "nightly" in listed and secret[-4:] in listed and secret not in listed
    assert rounds("token", "revoke", listed.split("\t")[0]).returncode == 0
    assert "revoked" in rounds("token", "list").stdout
    assert rounds("token", "revoke", "99").returncode == 1


def test_a_bad_input_line_is_told_by_number_without_its_text(home: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": "1", "text": "fine"}\n{"id": "2", "note": "Mr Planted"}\n')
    done = rounds("tag", source, "--out", tmp_path / "out.jsonl")
    assert done.returncode == 1
    assert "Line 2" in done.stderr and "Planted" not in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_an_engine_that_is_not_there_is_said(home: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": "1", "text": "fine"}\n')
    done = rounds(
        "tag",
        source,
        "--out",
        tmp_path / "out.jsonl",
        ROUNDS_VLLM_URL="http://127.0.0.1:9",
        ROUNDS_ENGINE_TIMEOUT_S="2",
    )
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["draft", "tag"])
def test_a_file_that_is_not_utf8_is_told_so_without_its_text(
    home: Path, tmp_path: Path, command: str
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes('{"id": "1", "text": "Fièvre, Mr Planted"}\n'.encode("latin-1"))
    done = rounds(command, source, "--out", tmp_path / "out.jsonl")
    assert done.returncode == 1
    assert "not UTF-8" in done.stderr and "line 1" in done.stderr
    assert "Traceback" not in done.stderr and "Planted" not in done.stderr


@pytest.mark.parametrize(
    ("place", "says"), [("missing/out.jsonl", "No such file"), ("in.jsonl/out", "Not a directory")]
)
def test_results_that_cannot_be_written_are_said_before_the_engine_starts(
    home: Path, tmp_path: Path, place: str, says: str
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": "1", "text": "fine"}\n')
    done = rounds("tag", source, "--out", tmp_path / place)
    assert done.returncode == 1
    assert done.stderr.startswith(f"rounds: {tmp_path / place}: {says}")
    assert "Traceback" not in done.stderr and "engine" not in done.stderr


@pytest.mark.parametrize("task", ["ner-planets", "discharge"])
def test_a_task_that_does_not_tag_is_said_with_those_that_do(tmp_path: Path, task: str) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": "1", "text": "fine"}\n')
    done = rounds("tag", "--task", task, source, "--out", tmp_path / "out.jsonl")
    assert done.returncode == 1
    assert task in done.stderr and "ner-disease, " in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "out.jsonl").exists()


def test_a_folder_or_a_missing_file_in_place_of_a_file_is_a_wrong_argument(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": "1", "text": "fine"}\n')
    for wrong in (
        ("tag", source, "--out", tmp_path),
        ("ask", "Why?", "--document", tmp_path),
        ("ask", "Why?", "--document", tmp_path / "missing.txt"),
    ):
        done = rounds(*wrong)
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr


async def test_a_batch_of_long_notes_never_finds_the_line_full() -> None:
    gate_settings = for_batch(Settings(max_in_flight=16, max_waiting=200), at_once=8)
    gate, most = Gate(gate_settings.max_in_flight, gate_settings.max_waiting), 0

    class BehindGate(FakeClient):
        async def complete(self, *arguments: Any) -> Completion:
            nonlocal most
            async with gate.enter():
                most = max(most, gate.running)
                return await super().complete(*arguments)

    client: Any = BehindGate(answer=lambda _prompt: '{"Disease": []}')
    store: Any = None
    tagging = Tagging(client, Registry(Settings(), store, client, "m" * 64), store=None)
    note = " ".join(f"On day {day} she felt better." for day in range(30))
    results = [
        result
        async for _, result in in_order(
            range(32), lambda _: _tag_line(tagging, "ner-disease", TagInput("1", note)), 32
        )
    ]
    assert not [result for result in results if isinstance(result, RoundsError)]
    assert len(client.asked) == 32 * 30
    assert most == 8


@pytest.mark.engine
def test_tagging_in_batch_repeats_ids_gives_offsets_and_resumes(
    engine_env: dict[str, str], engine_server: EngineServer, tmp_path: Path
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    text = "Fever 🤒 and\tasthma.\r\nAlso pneumonia."
    tokens = ["Asthma", "is", "not", "pneumonia", "."]
    lines = [{"id": "a", "text": text}, {"id": "b", "tokens": tokens}]
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    short_line = {"ROUNDS_MAX_IN_FLIGHT": "1", "ROUNDS_MAX_WAITING": "0"}  # is for many people
    done = rounds("tag", source, "--out", out, **engine_env | short_line)
    assert done.returncode == 0, done.stderr
    first, second = _lines(out)
    made_by = {"task": "ner-disease", "model": engine_server.model.name}
    assert made_by.items() <= first.items() and made_by.items() <= second.items()
    assert (first["id"], second["id"]) == ("a", "b")
    for line, whole in ((first, text), (second, " ".join(tokens))):
        for span in line["spans"]:  # type: ignore[attr-defined]
            assert whole[span["start"] : span["end"]] == span["text"]
    assert "tags" not in first and len(second["tags"]) == len(tokens)  # type: ignore[arg-type]
    out.write_text(out.read_text().splitlines()[0] + "\n" + '{"id": "b", "sp')
    again = rounds("tag", "--task", "ner-disease", source, "--out", out, **engine_env)
    assert "1 written" in again.stderr and "1 were there already" in again.stderr
    assert _lines(out) == [first, second]
    before = out.read_bytes()
    other = rounds("tag", "--task", "ner-chemical", source, "--out", out, **engine_env)
    assert other.returncode == 1 and "another --out" in other.stderr
    assert out.read_bytes() == before


@pytest.mark.engine
def test_drafting_in_batch_writes_every_section(
    engine_env: dict[str, str], engine_server: EngineServer, tmp_path: Path
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    admission = demo.get("demo-07").as_dict()
    line = {"hadm_id": "h7", "notes": admission["notes"][:3]}
    source.write_text(json.dumps(line) + "\n")
    short_line = {"ROUNDS_MAX_IN_FLIGHT": "1", "ROUNDS_MAX_WAITING": "0"}  # is for many people
    done = rounds("draft", source, "--out", out, **engine_env | short_line)
    assert done.returncode == 0, done.stderr
    (draft,) = _lines(out)
    assert (draft["hadm_id"], draft["task"]) == ("h7", "discharge")
    assert draft["model"] == engine_server.model.name
    assert len(draft["sections"]) == 8 and all(draft["sections"].values())  # type: ignore[union-attr,arg-type]
    assert len(draft["notes_used"]) == 3 and draft["notes_left_out"] == []  # type: ignore[arg-type]
    assert "not a medical device" in str(draft["notice"]).lower()


@pytest.mark.engine
def test_a_question_is_answered_with_its_sources(engine_env: dict[str, str]) -> None:
    done = rounds("ask", "What blood glucose counts as hypoglycaemia?", **engine_env)
    assert done.returncode == 0, done.stderr
    assert "hypoglycaemia" in done.stdout.lower()
    assert "Sources" in done.stdout
    none = rounds("ask", "Which football club won the cup last year?", **engine_env)
    assert "do not answer" in none.stdout


@pytest.mark.engine
@pytest.mark.timeout(600)
def test_drafting_that_was_interrupted_goes_on_where_it_stopped(
    engine_env: dict[str, str], tmp_path: Path
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    notes = demo.get("demo-07").as_dict()["notes"]
    lines = [{"hadm_id": f"h{n}", "notes": notes[n : n + 1]} for n in range(4)]
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = ["draft", str(source), "--out", str(out), "--admissions-at-once", "1"]
    running = subprocess.Popen(
        [sys.executable, "-m", "app", *command],
        cwd=ROOT,
        env=os.environ | engine_env,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 200
    while not (out.exists() and out.read_text().count("\n")) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "run the same command again" in said and "Traceback" not in said
    before = out.read_text().splitlines()
    assert 1 <= len(before) < 4
    again = rounds(*command, **engine_env)
    assert again.returncode == 0, again.stderr
    assert out.read_text().splitlines()[: len(before)] == before
    assert [line["hadm_id"] for line in _lines(out)] == ["h0", "h1", "h2", "h3"]
