"""Which agent a subject is of."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.facts import Agent, Instances, Inventory, Partner, Person, Process, Subject
from proxy.identity.lineage import name_of
from proxy.identity.subjects import Match, Subjects
from proxy.stages import Principal
from tests.fakes.issuer import jwk, private_key

TD = "spiffe://prod.example"
DATES = {"expires": date(2099, 1, 1), "review_due": date(2099, 1, 1)}


def agent(name: str, *subjects: str, template: str = "", issuer: str = TD, **more: Any) -> Agent:
    """An agent with these subjects, and this template."""
    return Agent(
        id=name, purpose="x", owner="olga", **DATES,
        identities=tuple(Subject(issuer=issuer, subject=one) for one in subjects),
        instances=(Instances(issuer=issuer, subject=template, owners={"7": "alice"}),) if template else (),
        **more,
    )  # fmt: skip


def subjects(*agents: Agent, **more: Any) -> Subjects:
    """The index of an inventory of these."""
    found = {"version": "1", "people": {}, "teams": {}, "services": {}, "datasets": {}} | more
    return Subjects(Inventory(agents={one.id: one for one in agents}, **found))


def test_exact_subjects_are_their_agents() -> None:
    """By issuer and subject together, exactly."""
    index = subjects(agent("a", f"{TD}/a"), agent("b", "b", issuer="https://idp"))
    assert index.find(TD, f"{TD}/a") == Match("a")
    for issuer, subject in ((TD, f"{TD}/A"), (TD, f"{TD}/a/"), ("https://idp", f"{TD}/a"), ("", ""), (TD, "")):
        assert index.find(issuer, subject) is None
        assert not index.claimed(issuer, subject)


@pytest.mark.parametrize(
    ("template", "subject", "instance"),
    [
        (f"{TD}/bot/{{instance}}", f"{TD}/bot/7", "7"),
        (f"{TD}/bot/{{instance}}", f"{TD}/bot/7.x_y-z", "7.x_y-z"),
        (f"{TD}/bot/{{instance}}", f"{TD}/bot/", None),
        (f"{TD}/bot/{{instance}}", f"{TD}/bot/7/8", None),
        (f"{TD}/bot/{{instance}}", f"{TD}/bot/7:8", None),
        (f"{TD}/bot/{{instance}}", f"{TD}/bots/7", None),
        (f"{TD}/{{instance}}/bot", f"{TD}/7/bot", "7"),
        (f"{TD}/{{instance}}/bot", f"{TD}/7/8/bot", None),
        (f"{TD}/bot-{{instance}}-eu", f"{TD}/bot-7-eu", "7"),
        (f"{TD}/bot-{{instance}}-eu", f"{TD}/bot--eu", None),
        (f"{TD}/bot-{{instance}}-eu", f"{TD}/bot-eu", None),
        (f"{TD}/bot-{{instance}}-eu", f"{TD}/bot-7-us", None),
        (f"{TD}/{{instance}}-eu/bot:main", f"{TD}/7-eu/bot:main", "7"),
        (f"{TD}/{{instance}}-eu/bot:main", f"{TD}/7-eu/bot:other", None),
        ("system:serviceaccount:crm:{instance}", "system:serviceaccount:crm:bot-7", "bot-7"),
        ("system:serviceaccount:{instance}:bot", "system:serviceaccount:crm:bot", "crm"),
        ("system:serviceaccount:{instance}:bot", "system:serviceaccount:a:b:bot", None),
        ("{instance}", "7", "7"),
        ("{instance}", "a/7", None),
        ("{instance}/{instance}", "7/7", None),
        ("{instance}/{instance}", "7/{instance}", None),
        ("no place", "no place", None),
    ],
)
def test_a_template_fits_one_part(template: str, subject: str, instance: str | None) -> None:
    """The instance is what stands in its place, within one part, and never nothing."""
    found = subjects(agent("a", template=template)).find(TD, subject)
    assert found == (None if instance is None else Match("a", instance))


def test_a_subject_that_two_parties_could_be_is_neithers() -> None:
    """By identity, by template, or by one of each; a person's or a process's is no agent's."""
    template = f"{TD}/bot/{{instance}}"
    person = Person(id="p", name="P", identities=(Subject(issuer=TD, subject=f"{TD}/bot/p"),))
    process = Process(
        id="q", owner="olga", purpose="x", trigger="queue", reference="q", agents=(), **DATES,
        identities=(Subject(issuer=TD, subject=f"{TD}/bot/q"),),
    )  # fmt: skip
    index = subjects(
        agent("a", f"{TD}/x", template=template), agent("b", f"{TD}/x", f"{TD}/bot/b"),
        agent("c", template=f"{TD}/{{instance}}/c"), people={"p": person}, processes={"q": process},
    )  # fmt: skip
    for subject in (f"{TD}/x", f"{TD}/bot/b", f"{TD}/bot/c", f"{TD}/bot/p", f"{TD}/bot/q"):
        assert index.find(TD, subject) is None
        assert index.claimed(TD, subject)
    assert index.find(TD, f"{TD}/bot/7") == Match("a", "7")


def test_a_person_or_process_of_an_agents_name_is_not_that_agent() -> None:
    """Who a subject is of includes of what kind; a subject of nobody, or of two, is no party either."""
    person = Person(id="a", name="A", identities=(Subject(issuer=TD, subject="person"),))
    process = Process(
        id="a", owner="olga", purpose="x", trigger="queue", reference="q", agents=(), **DATES,
        identities=(Subject(issuer=TD, subject="process"), Subject(issuer=TD, subject="both")),
    )  # fmt: skip
    index = subjects(
        agent("a", "agent", "both"),
        agent("c").model_copy(update={"instances": (
            Instances(issuer=TD, subject="x/{instance}/8"), Instances(issuer=TD, subject="x/7/{instance}"),
        )}),
        people={"a": person}, processes={"a": process},
    )  # fmt: skip
    for subject, kind in (("person", "human"), ("process", "business_process")):
        assert index.find(TD, subject) is None
        assert index.party(TD, subject) == Principal(kind, "a")
    assert index.party(TD, "agent") == Principal("agent", "a")
    assert index.party("https://idp", "agent") is None
    assert index.party(TD, "both") is None
    assert index.party(TD, "x/7/8") is None
    assert index.party(TD, "x/7/9") == Principal("agent", "c")


def test_one_agents_own_identity_and_template_agree() -> None:
    """The template says which instance; two templates that say different things say nothing."""
    assert subjects(agent("a", f"{TD}/bot/7", template=f"{TD}/bot/{{instance}}")).find(TD, f"{TD}/bot/7") == Match(
        "a", "7"
    )
    two = agent("a").model_copy(
        update={
            "instances": (
                Instances(issuer=TD, subject=f"{TD}/{{instance}}/8"),
                Instances(issuer=TD, subject=f"{TD}/7/{{instance}}"),
            )
        }
    )
    assert subjects(two).find(TD, f"{TD}/7/8") is None
    assert subjects(two).find(TD, f"{TD}/7/9") == Match("a", "9")


def test_a_partners_agent_is_known_by_what_the_partner_issues() -> None:
    """Anything else that the inventory says of it counts for nothing, and so does an unknown partner."""
    partner = Partner(id="acme", name="Acme", owner="olga", contract="c", ends=date(2099, 1, 1), issuers=("https://a",))
    theirs = agent("a", "s", template="t/{instance}", issuer="https://a", partner="acme")
    ours = agent("b", f"{TD}/b", template=f"{TD}/b/{{instance}}", partner="acme")
    index = subjects(theirs, ours, partners={"acme": partner})
    assert index.find("https://a", "s") == Match("a")
    assert index.find("https://a", "t/1") == Match("a", "1")
    assert index.find(TD, f"{TD}/b") is None
    assert index.find(TD, f"{TD}/b/1") is None
    assert subjects(theirs).find("https://a", "s") is None


@given(
    st.lists(st.text("ab{}", min_size=1, max_size=3), min_size=1, max_size=4),
    st.lists(st.sampled_from("/:"), min_size=4, max_size=4),
    st.text("ab/:", max_size=6),
)
def test_any_template_matches_what_it_says_and_nothing_else(parts: list[str], marks: list[str], subject: str) -> None:
    """A match put back into its template is the subject."""
    template = "".join(part + mark for part, mark in zip(parts, marks, strict=False)) + "{instance}"
    found = subjects(agent("a", template=template)).find(TD, subject)
    assert found is None or template.replace("{instance}", found.instance) == subject
    made = template.replace("{instance}", "ab")
    assert template.count("{instance}") != 1 or subjects(agent("a", template=template)).find(TD, made) == Match(
        "a", "ab"
    )


def test_a_subject_may_be_of_one_client_alone() -> None:
    """As the inventory says; where it does not, nothing is demanded."""
    one = agent("a").model_copy(update={"identities": (Subject(issuer="i", subject="s", client_id="c"),)})
    index = subjects(one, agent("b", "t", issuer="i"))
    assert [index.client("i", name) for name in ("s", "t", "u")] == ["c", None, None]


def test_an_agent_s_own_keys_are_known_by_their_names() -> None:
    """Whoever is nobody has none."""
    index = subjects(agent("a", client_keys=(jwk("ES256", "one"),)), agent("b"))
    (name,) = index.keys_of("a")
    assert name == name_of(private_key("ES256", "one").public_key())
    assert index.keys_of("a") is index.keys_of("a")
    assert index.keys_of("b") == index.keys_of("nobody") == frozenset()
