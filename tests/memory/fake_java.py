"""Programs that stand in for java and gcloud, so that what is done with them can be tested quickly, and in each way."""

from __future__ import annotations

import sys
from pathlib import Path

SERVES = """
import http.server, signal
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"Ok")
    def log_message(self, *_): pass
[port] = [int(each.partition("=")[2]) for each in sys.argv if each.startswith("--port=")]
http.server.HTTPServer(("127.0.0.1", port), Answer).serve_forever()
"""
"""Answers as a running emulator does, until it is stopped."""

STUBBORN = "\nimport signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
"""Put before, it doesn't listen when it is asked to end."""


def program(path: Path, body: str) -> Path:
    """An executable file that runs this Python code."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable} -S\nimport os, sys, time\n{body}", encoding="utf-8")
    path.chmod(0o755)
    return path
