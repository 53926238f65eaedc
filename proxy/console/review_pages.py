"""What is due for review, and the page on which its owner attests it or ends it."""

from starlette.responses import RedirectResponse, Response

from proxy.console.forms import Form
from proxy.console.pages import Site, Visit
from proxy.errors import Declined


class ReviewPages:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def list(self, visit: Visit) -> Response:
        """What this person has to do, the most urgent first; what others have to; what has lost its owner."""
        reviews = visit.desk.reviews
        items = reviews.list(every=True)
        due = [item for item in items if item.soon or item.standing]
        return self._site.render(
            "reviews.html",
            visit,
            mine=[item for item in due if item.may_attest],
            others=[item for item in due if not item.may_attest],
            later=[item for item in items if item not in due],
            orphaned=reviews.orphans(),
        )

    async def one(self, visit: Visit) -> Response:
        """Everything that an attestation vouches for."""
        return await self._one(visit)

    async def attest(self, visit: Visit, form: Form) -> Response:
        """Still needed, and as it was shown."""
        what = visit.request.path_params["what"]
        try:
            await visit.desk.reviews.attest(what, form.get("digest", ""), form.get("note", ""))
        except Declined as declined:
            return await self._one(visit, declined, form.get("note", ""))
        return RedirectResponse("/reviews", 303)

    async def end(self, visit: Visit, form: Form) -> Response:
        """No longer needed: nothing of it passes from now on."""
        what = visit.request.path_params["what"]
        try:
            await visit.desk.reviews.end(what, form.get("note", ""))
        except Declined as declined:
            return await self._one(visit, declined, form.get("note", ""))
        return RedirectResponse(f"/reviews/{what}", 303)

    async def _one(self, visit: Visit, declined: Declined | None = None, typed: str = "") -> Response:
        return self._site.render(
            "review.html",
            visit,
            status=declined.status if declined else 200,
            item=visit.desk.reviews.get(visit.request.path_params["what"]),
            declined=declined,
            typed=typed,
        )
