"""The codec against code written by hand with the same checks: ratios in one run, on the same data.

Ratios are those of the best of many short, interleaved rounds, which a busy machine disturbs least.
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable
from typing import Any

import pytest
from cendry.codec import codec_for
from cendry.convert import from_dict, to_dict
from codec_model import DATA, City, decode_city, encode_city

ROUNDS, CALLS = 120, 500

CODEC = codec_for(City)
CITY = CODEC.decode(DATA, "SF")


def fastest(*functions: Callable[[], Any]) -> list[float]:
    """Seconds per call of each, taken in turns."""
    timers = [timeit.Timer(function) for function in functions]
    best = [float("inf")] * len(timers)
    for _ in range(ROUNDS):
        for index, timer in enumerate(timers):
            best[index] = min(best[index], timer.timeit(CALLS) / CALLS)
    return best


def compare(what: str, ours: Callable[[], Any], by_hand: Callable[[], Any]) -> float:
    ours_took, by_hand_took = fastest(ours, by_hand)
    ratio = ours_took / by_hand_took
    print(f"{what}: {ours_took * 1e6:.2f} us, by hand {by_hand_took * 1e6:.2f} us, ratio {ratio:.2f}")
    return ratio


def test_both_ways_give_the_same() -> None:
    assert decode_city(DATA, "SF") == CITY
    assert encode_city(CITY) == CODEC.encode(CITY) == DATA


def check(ratio: float, budget: float) -> None:
    if sys.version_info < (3, 13):
        pytest.skip(f"the budget of {budget} is for Python 3.13; here the ratio is {ratio:.2f}")
    assert ratio <= budget


def test_decoding_costs_at_most_1_3_of_code_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    decode = CODEC.decode
    with capsys.disabled():
        ratio = compare("\ndict -> instance", lambda: decode(DATA, "SF"), lambda: decode_city(DATA, "SF"))
    check(ratio, 1.3)


def test_encoding_costs_at_most_1_5_of_code_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    encode = CODEC.encode
    with capsys.disabled():
        ratio = compare("\ninstance -> dict", lambda: encode(CITY), lambda: encode_city(CITY))
    check(ratio, 1.5)


def test_decode(benchmark: Any) -> None:
    assert benchmark(CODEC.decode, DATA, "SF") == CITY


def test_decode_by_hand(benchmark: Any) -> None:
    assert benchmark(decode_city, DATA, "SF") == CITY


def test_encode(benchmark: Any) -> None:
    assert benchmark(CODEC.encode, CITY) == DATA


def test_encode_by_hand(benchmark: Any) -> None:
    assert benchmark(encode_city, CITY) == DATA


def test_from_dict(benchmark: Any) -> None:
    data = to_dict(CITY)
    assert benchmark(from_dict, City, data, doc_id="SF") == CITY


def test_to_dict(benchmark: Any) -> None:
    assert benchmark(to_dict, CITY, by_alias=True) == DATA
