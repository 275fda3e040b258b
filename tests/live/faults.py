"""The fault scripts: what happens to A, and to B, and what is expected. Times are seconds since the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Step = dict[str, Any]


@dataclass(frozen=True)
class Script:
    name: str
    title: str
    """In the table: the fault, and the pace of the calls."""
    every: float
    """Seconds from one call to the next; none waits for another."""
    seconds: float
    bad: tuple[float, float]
    """When A is bad."""
    why: str
    """Why the two differ, for the table."""
    step: Step | None = None
    """What A does while it is bad, played by the simulator."""
    fault: dict[str, Any] | None = None
    """Or: what Envoy's fault filter does to requests on their way to A."""
    a: dict[str, Any] = field(default_factory=dict)
    """Or: more of A's script."""
    split: bool = True
    """Whether Envoy counts local failures (timeouts, lost connections) apart from a host's own 5xx."""
    both: bool = False
    """B is as bad as A, at the same time."""
    opens: bool | None = True
    """Whether our breaker must open; if not, it must not. None: it may."""
    ejects: bool | None = True
    """Likewise for Envoy."""
    sees_at_most: int | None = None
    """So many requests of ours may reach A while it is bad."""
    fails_at_most: int = 0
    """So many of our calls may fail."""
    smoke: bool = False

    @property
    def slug(self) -> str:
        return self.name.replace(",", "").replace(" ", "-")


def status(code: int, **headers: str) -> Step:
    return {"status": code, "headers": headers} if headers else {"status": code}


SCRIPTS = [
    Script(
        "flapping",
        "503 for 60 s, a call every 4 s",
        every=4,
        seconds=100,
        bad=(0, 60),
        step=status(503),
        sees_at_most=5,
        why="Three failures that span 5 s are enough for us; Envoy wants five, which takes 16 s at this pace. After "
        "its first ejection Envoy needs five more failures to eject again, we need one. So our interval has "
        "doubled once more when A recovers, and we come back later.",
    ),
    Script(
        "storm",
        "529 for 15 s, 5 calls a second",
        every=0.2,
        seconds=50,
        bad=(5, 20),
        step=status(529),
        sees_at_most=8,
        why="Both open at the fifth failure in a row. Envoy then lets all traffic back at once, and pays five more "
        "failures to find A still bad; we send one request.",
    ),
    Script(
        "refused",
        "Connection refused for 15 s, 5 calls a second",
        every=0.2,
        seconds=50,
        bad=(5, 20),
        step={"fault": "refuse"},
        sees_at_most=8,
        why="Three refused connections in a row are enough for us once another endpoint can be reached, and a call "
        "tries twice; Envoy counts five. It pays five more when A's time is over, we pay one.",
    ),
    Script(
        "slow head",
        "Fault filter: 2 s before each head, for 15 s; first token within 1 s; 4 calls a second",
        every=0.25,
        seconds=45,
        bad=(5, 20),
        fault={"delay": "2s"},
        ejects=False,
        sees_at_most=14,
        smoke=True,
        why="Envoy counts timeouts apart from answers, and starts that count anew with each request that gets a "
        "connection: timeouts alone never add up to five, and each call pays its second. A late first token is a "
        "hard fault for us. It is known after a second, when four more calls are on their way.",
    ),
    Script(
        "slow head, one counter",
        "The same; Envoy counts timeouts with answers",
        every=0.25,
        seconds=45,
        bad=(5, 20),
        fault={"delay": "2s"},
        split=False,
        sees_at_most=14,
        why="Now a timeout is a 504 of the host to Envoy, and both give A up at the fifth.",
    ),
    Script(
        "torn head",
        "Connection reset in the head for 15 s, 4 calls a second",
        every=0.25,
        seconds=50,
        bad=(5, 20),
        step={"fault": "reset_in_head"},
        ejects=False,
        sees_at_most=14,
        why="To Envoy a reset is a local failure like a timeout: the connection that was made before it starts the "
        "count anew. We count it against the endpoint.",
    ),
    Script(
        "some 500",
        "Fault filter: 30 % of requests aborted with 500, 5 calls a second",
        every=0.2,
        seconds=45,
        bad=(0, 45),
        fault={"abort": 500, "percent": 30},
        opens=None,
        ejects=None,
        smoke=True,
        why="Five in a row come once in about 600 requests at 30 %, so Envoy seldom ejects A, and nearly a third of "
        "the calls take two requests. Our rule of half of ten can be met by chance among the first calls. Then "
        "one failure among the few requests that try A keeps it open, and B gets most of the traffic. In either "
        "case no call fails.",
    ),
    Script(
        "429",
        "429 for 10 s, `retry-after: 2`, 5 calls a second",
        every=0.2,
        seconds=30,
        bad=(5, 15),
        step=status(429, **{"retry-after": "2"}),
        opens=False,
        ejects=False,
        sees_at_most=12,
        why="A rate limit is no ill health: neither opens. Envoy goes on to ask A first each time. We leave the key "
        "alone for as long as the vendor asks.",
    ),
    Script(
        "blip",
        "Three 503, then good again; 3 calls a second",
        every=0.33,
        seconds=15,
        bad=(0, 15),
        a={"steps": [{"repeat": 6, "status": 200}, {"repeat": 3, "status": 503}]},
        opens=False,
        ejects=False,
        smoke=True,
        why="Three errors within a second are not enough for either.",
    ),
    Script(
        "recovery",
        "Fault filter: 503 for 7 s, 4 calls a second; good again, but slow (0.5 s), when it is tried",
        every=0.25,
        seconds=35,
        bad=(5, 12),
        fault={"abort": 503, "percent": 100},
        a={"phases": [{"from": "5s", "until": "25s", "step": {"head": "500ms"}}]},
        sees_at_most=6,
        why="A has recovered before either asks again. Envoy's interval is 10 s, up to the next sweep, and then all "
        "calls go to A; ours is 7.5 to 10 s, and while the first request is on its way the others go to B.",
    ),
    Script(
        "both",
        "A and B answer 503 for 15 s, 4 calls a second",
        every=0.25,
        seconds=55,
        bad=(5, 20),
        step=status(503),
        both=True,
        sees_at_most=12,
        fails_at_most=150,
        why="With every host ejected Envoy goes on sending to all of them (its panic mode), so it finds the recovery "
        "at once. We make one last attempt a target in each open interval, since each may be billed, and fail the "
        "other calls at once: A sees a few requests, but calls go on failing until the interval ends, after the "
        "recovery too.",
    ),
    Script(
        "html",
        "200 with a page of HTML for 15 s, 4 calls a second",
        every=0.25,
        seconds=50,
        bad=(5, 20),
        step={"fault": "html"},
        ejects=False,
        sees_at_most=8,
        why="Envoy sees a success and passes the page on: its callers get no answer. We read the reply, take the page "
        "for a failure of the target and go to B.",
    ),
]
