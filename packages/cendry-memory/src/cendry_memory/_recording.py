"""Records what the queries of a test run need of indexes: in a file, with one more for each process beside it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from cendry._context.observing import Recorder, record_queries
from cendry.indexes import Need, needs_of, parse_recording, to_recording
from cendry.plan import AggregationPlan, QueryPlan


class IndexRecorder:
    """Records the queries of all contexts in this process, from its creation to its end.

    Args:
        file: The recording.
        worker: The name of this process among those that record to one file; `None` if there is one, or if it starts
            them.

    Raises:
        ValueError: There is a file of this name that isn't a recording; it is left alone.
        OSError: Nothing can be written there.
    """

    def __init__(self, file: Path, worker: str | None) -> None:
        self.file = file
        self.needs: set[Need] = set()
        self._part: int | None = None
        if worker is None:
            if file.exists():
                parse_recording(file.read_text("utf-8", "replace"), str(file))
            # What can't be written is better known before the tests than after them; and what was recorded before is
            # not to be taken for a recording of these.
            file.touch()
            for path in (file, *self._parts()):
                path.unlink()
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._part = os.open(file.with_name(f"{file.name}.{worker}"), flags, 0o644)
        self._former: Recorder | None = record_queries(self._record)

    def _record(self, plan: QueryPlan, aggregation: AggregationPlan | None) -> None:
        for need in needs_of(plan, aggregation):
            if not need.is_free and need not in self.needs:
                self.needs.add(need)
                if self._part is not None:
                    # At once, since a worker may die.
                    os.write(self._part, json.dumps(need.to_json()).encode() + b"\n")

    def _parts(self) -> list[Path]:
        name = re.compile(re.escape(self.file.name) + r"\.gw\d+")
        return sorted(path for path in self.file.parent.iterdir() if name.fullmatch(path.name))

    def write(self) -> None:
        """Write what was recorded, here and by the workers, whose files are joined into this one.

        Raises:
            OSError: It can't be written; there is no recording then.
        """
        if self._part is not None:
            return
        for part in self._parts():
            # A last line without its end is one of a worker that died.
            lines = part.read_text("utf-8").split("\n")[:-1]
            self.needs.update(Need.from_json(json.loads(line)) for line in lines)
            part.unlink()
        try:
            self.file.write_text(to_recording(self.needs), "utf-8")
        except OSError:
            # The next run would refuse a part of a recording.
            self.file.unlink(missing_ok=True)
            raise

    def end(self) -> None:
        """Record no more."""
        record_queries(self._former)
        if self._part is not None:
            os.close(self._part)
