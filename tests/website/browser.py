"""Shows pages of the built site in headless Chromium: our page frames them, runs a script, and posts its answer."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# A page in a frame has the frame's width, at any width of the window.
_SCRIPT = """
async function shown(address, width, height = 900) {
    const frame = document.createElement("iframe");
    frame.style.cssText = `width: ${width}px; height: ${height}px; border: 0`;
    const loaded = new Promise((resolve) => { frame.onload = resolve; });
    frame.src = address;
    document.body.append(frame);
    await loaded;
    return frame;
}
function until(condition) {
    return new Promise((resolve) => {
        const look = () => { const found = condition(); found ? resolve(found) : setTimeout(look, 20); };
        look();
    });
}
async function answer() { %s }
answer()
    .then((value) => ({ value }), (error) => ({ error: String(error && error.stack || error) }))
    .then((message) => fetch("/__answer__", { method: "POST", body: JSON.stringify(message) }));
"""


@dataclass
class Served:
    """A folder, served at `/`, with one more page that runs a script."""

    folder: Path
    script: str = ""
    answer: Any = None
    answered: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Serve until the end of the block; give the address."""
        served = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path != "/__page__":
                    return super().do_GET()
                body = f"<!doctype html><body><script>{_SCRIPT % served.script}</script>".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return None

            def do_POST(self) -> None:
                served.answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()
                served.answered.set()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """A frame that was removed doesn't take the rest of its files."""

        server = Server(("127.0.0.1", 0), lambda *args: Handler(*args, directory=str(self.folder)))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def run(folder: Path, script: str, profile: Path, timeout: float = 120, more: Sequence[str] = ()) -> Any:
    """Run the body of an async JavaScript function beside a served folder, and return what it returns."""
    assert CHROMIUM
    served = Served(folder, script)
    with served.serving() as address:
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        arguments += ["--no-first-run", "--disable-background-networking", f"--user-data-dir={profile}"]
        arguments += ["--window-size=1500,1000", "--remote-debugging-port=0", *more]
        with subprocess.Popen(
            [CHROMIUM, *arguments, f"{address}/__page__"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            answered = served.answered.wait(timeout)
            process.terminate()
    assert answered, "no answer of the page in the browser"
    assert "error" not in served.answer, served.answer["error"]
    return served.answer["value"]
