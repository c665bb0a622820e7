"""Where the shop's data is: the one line that the move changes."""

from __future__ import annotations

import cendry

backend = cendry.DatastoreBackend(ndb=True)

ctx = cendry.Cendry(backend=backend)
