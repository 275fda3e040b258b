"""One exception class a code, with fields that survive pickling."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import hotspare
import pytest
from conftest import Lab
from hotspare import _native


def test_every_code_has_a_class() -> None:
    names = dict(_native.exceptions())
    assert len(names) == 20
    for code, name in names.items():
        found = getattr(hotspare, name)
        assert issubclass(found, hotspare.HotspareError), code
        assert name in hotspare.__all__
    classes = {
        name for name, value in vars(hotspare).items() if isinstance(value, type) and issubclass(value, Exception)
    }
    assert classes == {*names.values(), "HotspareError"}


@pytest.mark.parametrize("name", ["HotspareError", *(name for _, name in _native.exceptions())])
def test_errors_can_be_made_and_pickled(name: str) -> None:
    last = hotspare.ServerError("gone", status=500)
    error = getattr(hotspare, name)("what happened", code="c", retry_after=1.5, maybe_sent=True, last=last)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == "what happened"
    assert (copy.code, copy.retry_after, copy.maybe_sent, copy.trail) == ("c", 1.5, True, [])
    assert str(copy.__cause__) == "gone"
    assert copy.last.status == 500


def test_a_timeout_is_pythons_too() -> None:
    with pytest.raises(TimeoutError):
        raise hotspare.TimeoutError("late")


STEPS: list[tuple[dict[str, Any], type[hotspare.HotspareError], dict[str, Any]]] = [
    (
        {"error": "rate_limit", "headers": {"retry-after": "30"}},
        hotspare.RateLimitedError,
        {"status": 429, "retry_after": 30},
    ),
    ({"error": "insufficient_quota"}, hotspare.QuotaExhaustedError, {"vendor_code": "insufficient_quota"}),
    ({"error": "authentication"}, hotspare.AuthenticationError, {"status": 401}),
    ({"error": "model_not_found"}, hotspare.ModelNotFoundError, {"status": 404}),
    ({"error": "context_length"}, hotspare.ContextLengthError, {"status": 400}),
    ({"error": "invalid_request"}, hotspare.InvalidRequestError, {"status": 400}),
    ({"error": "server"}, hotspare.ServerError, {"maybe_sent": True, "phase": "head"}),
    ({"error": "overloaded"}, hotspare.OverloadedError, {"status": 503}),
    ({"fault": "reset_before_head"}, hotspare.ResetError, {"status": None}),
    ({"fault": "html"}, hotspare.MalformedError, {}),
]


@pytest.mark.parametrize(("step", "expected", "fields"), STEPS)
def test_failures_raise_their_class(
    lab: Callable[..., Lab],
    step: dict[str, Any],
    expected: type[hotspare.HotspareError],
    fields: dict[str, Any],
) -> None:
    started = lab(a=[{**step, "repeat": 9}])
    with pytest.raises(hotspare.HotspareError) as caught:
        hotspare.Client(started.config).chat("hi")
    error = caught.value.last or caught.value
    assert type(error) is expected
    assert error.target == "a/m"
    for name, value in fields.items():
        assert getattr(error, name) == value, name
    assert error.trail[0].code == error.code
    copy = pickle.loads(pickle.dumps(caught.value))
    assert [attempt.to_dict() for attempt in copy.trail] == [attempt.to_dict() for attempt in caught.value.trail]


def test_a_panic_is_an_internal_error() -> None:
    with pytest.raises(hotspare.InternalError, match="as asked"):
        _native.panic_for_test()
