"""The proxy itself: whatever it does, no connection of it stays open."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings

import pytest
from soak.proxy import HOST, Proxy


@pytest.mark.parametrize("turns", range(8))
def test_a_connection_that_comes_when_it_ends_is_closed(turns: int) -> None:
    # What other tests left behind is not meant.
    gc.collect()
    # The target is a port on which nobody listens: what is accepted can be held, and refused, at any turn.
    with socket.socket() as target, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        target.bind((HOST, 0))
        proxy = Proxy(target.getsockname()[1])

        async def connect_and_stop(proxy: Proxy) -> None:
            with socket.create_connection((HOST, proxy.port)):
                for _ in range(turns):
                    await asyncio.sleep(0)
                await proxy.stop()

        proxy.run(connect_and_stop(proxy))
        proxy.close()
        del proxy
        gc.collect()
    assert [] == [str(one.message) for one in caught if "unclosed" in str(one.message)]
