"""What of a configuration weakens the promises, said in one sentence each."""

from policies.model import Mode
from proxy.inventory.addresses import is_loopback, parse_url
from proxy.settings.model import Settings


def unsafe(settings: Settings) -> list[str]:
    """The sentences for the start-up lines; none if nothing is unsafe."""
    found: list[str] = []
    if settings.mode is not Mode.ENFORCE:
        found.append("mode is `observe`: calls that policy would refuse or hold go through")
    for name in ("proxy", "gateway"):
        address = getattr(settings.listen, name)
        if address is not None and not address.loopback:
            found.append(
                f"the {name} listens on {address} without TLS: whoever sees that network can read handles and calls"
            )
    control = settings.listen.control
    if not control.loopback:
        found.append(
            f"the control API listens on {control} without TLS: people's sessions can be stolen on that network"
        )
    if _plain_and_remote(settings.control.public_url):
        found.append("`control.public_url` is plain http: people's sessions can be stolen on the way")
    if _plain_and_remote(settings.telemetry.otlp_endpoint):
        found.append("`telemetry.otlp_endpoint` is plain http: traces can be read on the way")
    if settings.control.operator_may_sign:
        found.append("the operator may vote and attest in the name of people (`control.operator_may_sign`)")
    found.extend(
        f"any agent that holds a token of a person of {one.issuer} may act for them (`unsafe_any_actor`)"
        for one in settings.identity.issuers
        if one.unsafe_any_actor
    )
    return found


def _plain_and_remote(url: str | None) -> bool:
    if url is None:
        return False
    place = parse_url(url)
    return place.scheme == "http" and not is_loopback(place.host)
