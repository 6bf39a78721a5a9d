"""A small real HTTP server that behaves like vLLM as far as the watch looks; run as a script.

    fake_server.py PORT FOLDER MODE

MODE: ok | crash (ends at once) | oom (prints an out-of-memory error and ends)
    | mute (stops answering /health once FOLDER/mute exists).
Each start adds a line to FOLDER/starts: process id, key and port.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

port, folder, mode = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
key = os.environ["VLLM_API_KEY"]
with (folder / "starts").open("a") as out:
    out.write(f"{os.getpid()} {key} {port}\n")
if mode == "crash":
    sys.exit(7)
if mode == "oom":
    sys.stdout.write("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n")
    sys.exit(1)


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        if self.path == "/health":
            muted = mode == "mute" and (folder / "mute").exists()
            self.answer(503 if muted else 200, {})
        elif self.headers.get("Authorization") != f"Bearer {key}":
            self.answer(401, {"error": "key"})
        else:
            self.answer(200, {"data": [{"id": "fake"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("Authorization") != f"Bearer {key}":
            self.answer(401, {"error": "key"})
            return
        with (folder / "requests").open("a") as out:
            out.write(json.dumps(body) + "\n")
        self.answer(200, {"choices": [{"text": "yes"}]})


server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
sys.stdout.write("INFO:     Application startup complete.\n")
sys.stdout.flush()
server.serve_forever()
