"""The names that leave this program."""

from telemetry import names

GOLDEN = """
client.address
countersign.agent.identity.id
countersign.agent.identity.source
countersign.agent.instance_id
countersign.agent.owner
countersign.approval.approver.id
countersign.approval.channel
countersign.approval.id
countersign.approval.state
countersign.approval.wait_ms
countersign.audit.index
countersign.audit.log
countersign.call.args_bytes
countersign.call.args_commitment
countersign.call.datasets
countersign.call.effect
countersign.call.id
countersign.call.operation
countersign.call.protocol
countersign.call.result_bytes
countersign.decision.duration_us
countersign.decision.mode
countersign.decision.outcome
countersign.decision.reason_code
countersign.decision.would
countersign.delegation.chain
countersign.delegation.depth
countersign.delegation.integrity
countersign.destination.class
countersign.link.type
countersign.policy.digest
countersign.principal.id
countersign.principal.type
countersign.server.name
countersign.task.id
countersign.trace.inbound_trace_id
countersign.trace.origin
error.type
gen_ai.agent.id
gen_ai.operation.name
gen_ai.tool.name
http.request.method
http.response.status_code
jsonrpc.request.id
mcp.method.name
mcp.protocol.version
security_rule.name
server.address
server.port
service.instance.id
service.name
service.version
url.path
"""


def test_names_do_not_change_by_accident():
    """The attribute names are exactly these: dashboards and detections depend on them."""
    found = {value for name, value in vars(names).items() if name.isupper() and name not in {"SCOPE", "SCHEMA_URL"}}
    assert found == set(GOLDEN.split())
