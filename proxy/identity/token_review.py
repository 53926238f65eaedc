"""Asking a Kubernetes API server about a token (TokenReview): it alone knows of a pod that is gone."""

import asyncio
import contextlib
import json
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from policies.model import Json
from proxy.errors import Refused, refuse
from proxy.identity.challenges import unproven
from proxy.identity.clusters import ClusterSettings
from proxy.identity.origins import tls_context
from proxy.identity.turns import Crowded, Turns
from proxy.identity.vouched import Question, Vouched
from proxy.strict_json import loads

log = logging.getLogger("countersign.identity")

REMEMBERED = 5.0
_WITHIN = 5.0
_PATIENCE = 0.5
_MOST_BYTES = 64 * 1024
_MOST_TOKEN = 16 * 1024
_MOST_REMEMBERED = 4096
_AT_ONCE, _EACH, _MOST_WAITING = 32, 8, 256
_AGAIN_AT_ONCE = 32  # beside the others, so that what nobody has proven never delays an end


type Turn = contextlib.AbstractAsyncContextManager[None]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the API server said, and when it was asked. No refusal: good. `counts`: for others too, for a while.

    `silent`: it said nothing, or was not asked.
    """

    at: float
    refusal: Refused | None
    counts: bool = True
    silent: bool = False


class TokenReviewer:
    """One API server's word on tokens. It is asked once for each token in five seconds, and never by too many.

    An API server that does not answer as it should is 503: nothing is known of the token then. What it `vouched` for
    is asked about again for as long as it is in use. To what was obtained with a token, its word is what a key is
    elsewhere: it counts while the API server stands by it.
    """

    epoch = 0

    def __init__(self, cluster: ClusterSettings) -> None:
        assert cluster.review_url is not None  # the caller asks only where there is somebody to ask
        self._cluster = cluster
        self._url = cluster.review_url
        self._tls = tls_context(cluster.ca_bundle)
        self.vouched = Vouched(cluster.review_every_s, cluster.unanswered_s)
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._asking: dict[str, asyncio.Future[_Answer]] = {}
        self._again: set[asyncio.Future[_Answer]] = set()
        self._turns = Turns(_AT_ONCE, _EACH, _MOST_WAITING)
        # Whose pod has proven itself before waits behind no made-up tokens, not even those of its own address.
        self._turns_of_met = Turns(_AT_ONCE, _EACH, _MOST_WAITING)
        self._silent = False

    def holds(self, name: str, now: float) -> bool:
        """The API server stands by the token of this name; else a refusal, in its own words."""
        self.vouched.require(name, now)
        return True

    async def current(self, now: float) -> object:
        """It is asked about tokens that are shown, or in use: there is nothing to be read."""

    async def require_good(self, question: Question, now: float, peer: str = "") -> None:
        """Refuses unless the API server says, now or a moment ago, that this token is good.

        Where it does not say anything, what it vouched for counts on, on new connections as on old ones.
        """
        answer = self._answers.get(question.digest)
        if answer is None or not 0 <= now - answer.at < REMEMBERED:
            if self._silent and self.vouched.counts(question, now):
                return  # it is asked about again anyway, and nobody waits for a server that is away
            turns = self._turns_of_met if self.vouched.met(question) else self._turns
            answer = await asyncio.shield(self._shared(question, now, turns.of(peer)))
        if answer.refusal is None or (answer.silent and self.vouched.counts(question, now)):
            return
        # Anew each time: an exception that is raised again keeps what it was raised in before.
        raise Refused(answer.refusal.refusal)

    async def ask_again(self, now: float) -> None:
        """What is in use and due is asked about. A slow server is not waited for: its answer is taken when it comes."""
        for question in self.vouched.due(now, _AGAIN_AT_ONCE - len(self._again)):
            asking = self._shared(question, now, contextlib.nullcontext())
            self._again.add(asking)
            asking.add_done_callback(self._again.discard)
        if self._again:
            await asyncio.wait(list(self._again), timeout=_PATIENCE)

    def _shared(self, question: Question, now: float, turn: Turn) -> asyncio.Future[_Answer]:
        """One question for all who ask the same; not given up when one of them leaves."""
        asking = self._asking.get(question.digest)
        if asking is None:
            asking = asyncio.ensure_future(self._answer(question, now, turn))
            self._asking[question.digest] = asking
            asking.add_done_callback(lambda done: self._settle(question.digest, done))
        return asking

    def _settle(self, digest: str, done: asyncio.Future[_Answer]) -> None:
        self._asking.pop(digest, None)
        if done.cancelled() or done.exception() is not None or not done.result().counts:
            return
        self._answers[digest] = done.result()
        self._answers.move_to_end(digest)
        if len(self._answers) > _MOST_REMEMBERED:
            self._answers.popitem(last=False)

    async def _answer(self, question: Question, now: float, turn: Turn) -> _Answer:
        try:
            async with asyncio.timeout(_WITHIN), turn:
                review = await self._ask(question.token)
            self._silent = False
            self._judge(review, question.subject)
        except Refused as refused:
            if self.vouched.bad(question):
                why = refused.refusal.internal
                log.warning("cluster %s: a token of %s is good no more: %s", self._url, question.subject, why)
            return _Answer(now, refused)
        except Crowded:
            return _Answer(now, self._unavailable("too many questions at once"), counts=False, silent=True)
        except TimeoutError:
            return self._unanswered(now, f"no answer within {_WITHIN:.0f} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return self._unanswered(now, f"{type(error).__name__}: {error}")
        self.vouched.good(question, now)
        return _Answer(now, None)

    async def _ask(self, token: str) -> Mapping[str, Json]:
        """The TokenReview, answered."""
        spec = {"token": token, "audiences": [self._cluster.audience]}
        question = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        headers = {
            "authorization": f"Bearer {_own_token(self._cluster.token_file)}",
            "content-type": "application/json",
            "accept": "application/json",
            "accept-encoding": "identity",
        }
        body = bytearray()
        async with (
            httpx.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False) as client,
            client.stream("POST", self._url, headers=headers, content=json.dumps(question)) as response,
        ):
            if response.status_code not in {200, 201}:
                raise ValueError(f"status {response.status_code}")
            async for part in response.aiter_raw():
                body += part
                if len(body) > _MOST_BYTES:
                    raise ValueError(f"more than {_MOST_BYTES} bytes")
        answer = loads(bytes(body), max_bytes=_MOST_BYTES)
        if isinstance(answer, dict) and answer.get("kind") == "TokenReview":
            return answer
        raise ValueError("not a TokenReview")

    def _judge(self, review: Mapping[str, Json], subject: str) -> None:
        """Refuses unless it is authenticated, for us, as the very subject that the token names."""
        status = review.get("status")
        if not isinstance(status, dict):
            raise unproven("identity_invalid", "review_without_status")
        user, audiences = status.get("user"), status.get("audiences")
        if status.get("authenticated") is not True or "error" in status:
            raise unproven("identity_invalid", "review_not_authenticated")
        # A server that does not know audiences names none: then it did not say that the token is for us.
        if not isinstance(audiences, list) or self._cluster.audience not in audiences:
            raise unproven("identity_invalid", "review_audience")
        if not isinstance(user, dict) or user.get("username") != subject:
            raise unproven("identity_invalid", "review_subject")

    def _unanswered(self, now: float, why: str) -> _Answer:
        """The operator hears of it once, until there is an answer again: after a while it ends who is connected."""
        if not self._silent:
            log.warning("cluster %s does not answer, and those it vouched for end in time: %s", self._url, why)
        self._silent = True
        return _Answer(now, self._unavailable(why), silent=True)

    def _unavailable(self, why: str) -> Refused:
        return refuse(
            "identity_unavailable",
            503,
            "The cluster that this credential is of cannot be asked about it at the moment.",
            "retry",
            internal=f"TokenReview of {self._cluster.issuer}: {why}",
        )


def _own_token(path: Path) -> str:
    """What we show, as it is now: the kubelet replaces it within its life."""
    with path.open("rb") as file:
        raw = file.read(_MOST_TOKEN + 1)
    text = raw.decode("ascii").strip()
    if len(raw) > _MOST_TOKEN or not text or not text.isprintable() or " " in text:
        raise ValueError(f"{path} does not hold one token")
    return text
