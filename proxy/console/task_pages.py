"""Tasks: what each was begun for, who is behind it, what it has used; and suspending, resuming and ending one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.responses import RedirectResponse, Response

from proxy.console.chains import of_delegation
from proxy.console.forms import Form
from proxy.console.pages import Site, Visit, told
from proxy.errors import Declined
from proxy.tasks.budget import CALLS, UNIT
from proxy.tasks.mistakes import TaskMistake
from proxy.tasks.task import Task

SOON = 600.0  # seconds: a task that ends within them is due
FILTERS = {"live": "Not ended", "due": "End soon", "spent": "Budget used up", "all": "All"}

type _Act = Literal["suspend", "resume", "end"]
_BECOMES: dict[_Act, str] = {"suspend": "suspended", "resume": "active", "end": "revoked"}


@dataclass(frozen=True, slots=True)
class Use:
    """One part of a budget, in the units that people write: `calls`, or the amount of an argument."""

    what: str
    used: float
    limit: float

    @property
    def spent(self) -> bool:
        return self.used >= self.limit


@dataclass(frozen=True, slots=True)
class Line:
    task: Task
    uses: list[Use]
    due: bool

    @property
    def spent(self) -> bool:
        return any(use.spent for use in self.uses)


class TaskPages:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def list(self, visit: Visit) -> Response:
        """The tasks that this person may see, with what is nearly over and what has nothing left."""
        which = visit.request.query_params.get("which", "live")
        which = which if which in FILTERS else "live"
        agent = visit.request.query_params.get("agent", "").strip()
        tasks = await visit.desk.tasks.list(agent=agent or None, live=which != "all")
        lines = [self._line(task, await visit.desk.tasks.spent(task)) for task in tasks]
        if which in {"due", "spent"}:
            lines = [line for line in lines if (line.due if which == "due" else line.spent)]
        agents = list(visit.desk.agents.ids())
        return self._site.render(
            "tasks.html", visit, lines=lines, which=which, filters=FILTERS, agent=agent, agents=agents
        )

    async def one(self, visit: Visit) -> Response:
        """One task, and the levers that are this person's."""
        return await self._one(visit)

    async def suspend(self, visit: Visit, form: Form) -> Response:
        """Nothing goes on under the task until it is resumed."""
        return await self._act(visit, form, "suspend")

    async def resume(self, visit: Visit, form: Form) -> Response:
        """The task goes on, if it is as it was looked at."""
        return await self._act(visit, form, "resume")

    async def end(self, visit: Visit, form: Form) -> Response:
        """The task is over, and all that runs under it is cut."""
        return await self._act(visit, form, "end")

    async def _act(self, visit: Visit, form: Form, act: _Act) -> Response:
        task_id, reason = visit.request.path_params["id"], form.get("reason", "")
        try:
            match act:
                case "end":
                    await visit.desk.tasks.end(task_id, "revoked", reason)
                case "suspend":
                    await visit.desk.tasks.pause(task_id, "suspend", reason)
                case "resume":
                    await self._require_seen(visit, form)
                    await visit.desk.tasks.pause(task_id, "resume", reason)
        except (Declined, TaskMistake) as refused:
            return await self._one(visit, declined=told(refused), typed=reason, asked=act)
        return RedirectResponse(f"/tasks/{task_id}", 303)

    async def _require_seen(self, visit: Visit, form: Form) -> None:
        """Who resumes a task has seen who suspended it, and why."""
        view = await visit.desk.tasks.view(visit.request.path_params["id"])
        if form.get("seen") != seen(view.task):
            raise Declined(409, "stale", "the task has changed since you looked; look again, and decide then")

    async def _one(
        self, visit: Visit, *, declined: Declined | None = None, typed: str = "", asked: _Act | None = None
    ) -> Response:
        view = await visit.desk.tasks.view(visit.request.path_params["id"])
        task = view.task
        if declined is not None and asked and task.state == _BECOMES[asked] and task.changed_by == _name(visit):
            return RedirectResponse(f"/tasks/{task.id}", 303)  # sent twice: the first did it
        line = self._line(task, view.used)
        visible = set(visit.desk.agents.ids())
        return self._site.render(
            "task.html",
            visit,
            status=declined.status if declined else 200,
            view=view,
            task=task,
            line=line,
            seen=seen(task),
            parties=of_delegation(task.delegation),
            tree=children(task.id, view.below),
            visible=visible,
            stories=await visit.desk.calls.recent(limit=10, task=task.id),
            declined=declined,
            typed=typed,
        )

    def _line(self, task: Task, used: Mapping[str, int]) -> Line:
        left = task.deadline - self._site.clock()
        return Line(task, uses(task, used), due=not task.ended and left < SOON)


@dataclass(frozen=True, slots=True)
class Branch:
    """A task, and what is below it."""

    task: Task
    below: list["Branch"]


def children(task_id: str, below: Sequence[Task]) -> list[Branch]:
    """The tasks below this one as a tree. One whose own parent is not shown hangs on the nearest that is."""
    shown = {task_id, *(task.id for task in below)}
    under: dict[str, list[Task]] = {}
    for task in below:
        under.setdefault(next(one for one in reversed(task.lineage) if one in shown), []).append(task)

    def grown(parent: str) -> list[Branch]:
        return [Branch(task, grown(task.id)) for task in under.get(parent, [])]

    return grown(task_id)


def uses(task: Task, used: Mapping[str, int]) -> list[Use]:
    """Every part of the task's budget, and how much of it is gone."""
    found = [
        Use(f"{one.tool} {one.argument}", used.get(one.name, 0) / UNIT, one.limit / UNIT) for one in task.budget.spend
    ]
    if task.budget.calls is not None:
        found.insert(0, Use("calls", used.get(CALLS, 0), task.budget.calls))
    return found


async def task_behind(visit: Visit, task_id: object) -> Task | None:
    """The task of this id, as far as there is one and it is this person's to see."""
    try:
        return (await visit.desk.tasks.view(task_id)).task if isinstance(task_id, str) and task_id else None
    except Declined:
        return None


def seen(task: Task) -> str:
    """What a form says that its sender looked at."""
    return f"{task.state}@{task.changed_at}"


def _name(visit: Visit) -> str:
    return f"person:{visit.person.id}"
