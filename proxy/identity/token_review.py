"""Asking a Kubernetes API server about a token (TokenReview): it alone knows of a pod that is gone."""

import asyncio
import json
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
from proxy.strict_json import loads

REMEMBERED = 5.0
_WITHIN = 5.0
_MOST_BYTES = 64 * 1024
_MOST_TOKEN = 16 * 1024
_MOST_REMEMBERED = 4096
_AT_ONCE = 16
_MOST_WAITING = 64


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the API server said, and when it was asked. No refusal: the token is good."""

    at: float
    refusal: Refused | None


class TokenReviewer:
    """One API server's word on tokens. It is asked once for each token in five seconds, and never by too many.

    An API server that does not answer as it should is 503: nothing is known of the token then.
    """

    def __init__(self, cluster: ClusterSettings) -> None:
        assert cluster.review_url is not None  # the caller asks only where there is somebody to ask
        self._cluster = cluster
        self._url = cluster.review_url
        self._tls = tls_context(cluster.ca_bundle)
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._asking: dict[str, asyncio.Future[_Answer]] = {}
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def require_good(self, token: str, subject: str, digest: str, now: float) -> None:
        """Silent if the API server says, now or a moment ago, that this is `subject`'s token for us; else refuses."""
        answer = self._answers.get(digest)
        if answer is None or not 0 <= now - answer.at < REMEMBERED:
            answer = await self._shared(token, subject, digest, now)
        if answer.refusal is not None:
            # Anew each time: an exception that is raised again keeps what it was raised in before.
            raise Refused(answer.refusal.refusal)

    async def _shared(self, token: str, subject: str, digest: str, now: float) -> _Answer:
        """One question for all who ask the same; not given up when one of them leaves."""
        asking = self._asking.get(digest)
        if asking is None:
            if len(self._asking) >= _MOST_WAITING:
                raise self._unavailable("too many questions at once")
            asking = asyncio.ensure_future(self._answer(token, subject, now))
            self._asking[digest] = asking
            asking.add_done_callback(lambda done: self._settle(digest, done))
        return await asyncio.shield(asking)

    def _settle(self, digest: str, done: asyncio.Future[_Answer]) -> None:
        self._asking.pop(digest, None)
        if done.cancelled() or done.exception() is not None:
            return
        self._answers[digest] = done.result()
        if len(self._answers) > _MOST_REMEMBERED:
            self._answers.popitem(last=False)

    async def _answer(self, token: str, subject: str, now: float) -> _Answer:
        try:
            async with asyncio.timeout(_WITHIN):
                async with self._free:
                    review = await self._ask(token)
            self._judge(review, subject)
        except Refused as refused:
            return _Answer(now, refused)
        except TimeoutError:
            return _Answer(now, self._unavailable(f"no answer within {_WITHIN:.0f} s"))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return _Answer(now, self._unavailable(f"{type(error).__name__}: {error}"))
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
