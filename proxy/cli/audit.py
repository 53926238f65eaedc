"""`countersign audit`: read the log of what happened, and verify that it stands."""

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.cli import show
from proxy.cli.options import DEFAULT_CONFIG, AsJson, Config
from proxy.errors import CountersignError

if TYPE_CHECKING:
    from telemetry.verify import Report

app = typer.Typer(name="audit", help="Show, verify and prove what happened.", no_args_is_help=True)

Log = Annotated[
    Path | None, typer.Option("--log", metavar="DIR", help="A log's directory; the configured one if absent.")
]
VERDICTS = {
    0: "stands",
    1: "HAS BEEN TAMPERED WITH",
    2: "is incomplete",
    3: "cannot be verified: its keys are not known",
}


def log_directory(log: Path | None, config: Path) -> Path:
    """The log to read; raises `CountersignError` if there is none."""
    from proxy.app.local import not_yours
    from proxy.settings import load_settings

    directory = log or load_settings(config).state / "audit"
    try:
        there = (directory / "entries").is_dir()
    except PermissionError as error:
        raise not_yours(directory) from error
    if not there:
        raise CountersignError(f"{directory}: there is no audit log here")
    return directory


@app.command()
def verify(
    log: Log = None,
    since: Annotated[
        Path | None, typer.Option("--from-checkpoint", metavar="FILE", help="A signed head kept elsewhere.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(metavar="FILE", help="The log's public key, kept elsewhere.")] = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Verify the log, offline.

    Exit status: 0 it stands, 1 tampered, 2 incomplete, 3 unknown keys.

    \b
    countersign audit verify
    countersign audit verify --log /mnt/copy/audit --from-checkpoint head.txt --policy policy.txt
    """
    from telemetry.verify import verify as verify_log

    directory = log_directory(log, config)
    report = verify_log(directory, from_checkpoint=_text(since), policy=_text(policy))
    if json:
        show.as_json(_report(report))
    else:
        print(
            f"{directory}: {report.size} records, {report.checkpoints} signed heads, root {report.root.hex()[:16]}..."
        )
        for finding in report.findings:
            print(f"  {finding}")
        if report.unsigned:
            print(f"  {report.unsigned} newest records are under no signed head yet: nothing vouches for them so far")
        if since is None:
            print("  a log that was set back as a whole shows only against a head kept elsewhere: --from-checkpoint")
        print(
            f"the log {VERDICTS[report.status]}"
            + ("" if report.first_bad is None else f" at record {report.first_bad}")
        )
    raise typer.Exit(report.status)


def _text(path: Path | None) -> str | None:
    """What is in this file; raises `CountersignError` if it cannot be read."""
    try:
        return path.read_text() if path else None
    except OSError as error:
        raise CountersignError(f"{path}: cannot be read: {(error.strerror or '').lower()}") from error
    except UnicodeDecodeError as error:
        raise CountersignError(f"{path}: this is not text") from error


def _report(report: "Report") -> dict[str, Any]:
    return {
        "status": report.status,
        "origin": report.origin,
        "size": report.size,
        "root": report.root.hex(),
        "checkpoints": report.checkpoints,
        "unsigned": report.unsigned,
        "first_bad": report.first_bad,
        "findings": [str(finding) for finding in report.findings],
    }


@app.command(name="show")
def show_(
    call: Annotated[str, typer.Option(help="The records of this call.")] = "",
    task: Annotated[str, typer.Option(help="The records of this task.")] = "",
    hold: Annotated[str, typer.Option(help="The records of this hold.")] = "",
    log: Log = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Show the records of a call, a task or a hold.

    \b
    countersign audit show --task task_01a2... --json
    """
    if not (call or task or hold):
        raise CountersignError("say what to show: --call, --task or --hold")
    from telemetry import reader

    _print(reader.find(log_directory(log, config), call=call, task=task, hold=hold), json)


@app.command()
def tail(
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last records.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the log grows.")] = False,
    log: Log = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Show the last records, and go on with -f.

    \b
    countersign audit tail -f --json | jq 'select(.type == "call.refused")'
    """
    from telemetry import reader

    directory = log_directory(log, config)
    last = reader.tail(directory, lines)
    _print(last, json)
    if follow:
        start = last[-1]["idx"] + 1 if last else 0
        try:
            for record in reader.follow(directory, start, threading.Event()):
                _print([record], json)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


@app.command()
def prove(
    call: Annotated[str, typer.Argument(help="The call's id.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write the proofs.")],
    log: Log = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Write the evidence of one call, for anybody to check.

    One proof for each of its records, and the public key with which `countersign audit check` reads them.

    \b
    countersign audit prove call_01a2... --output evidence/
    """
    from telemetry.errors import ProofError
    from telemetry.prove import prove as prove_call

    directory = log_directory(log, config)
    try:
        proofs = prove_call(directory, call)
    except ProofError as error:
        raise CountersignError(str(error)) from error
    files = {f"{call}-{number}.tlog-proof": proof for number, proof in enumerate(proofs)}
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in {**files, "policy": (directory / "policy").read_text()}.items():
            (output / name).write_text(text)
    except OSError as error:
        raise CountersignError(f"{output}: cannot be written: {(error.strerror or '').lower()}") from error
    for name in files:
        print(output / name)


@app.command()
def check(
    proof: Annotated[Path, typer.Argument(help="A .tlog-proof file.")],
    policy: Annotated[Path, typer.Option(metavar="FILE", help="The log's public key.")],
    json: AsJson = False,
) -> None:
    """Check a proof against the log's public key, offline.

    \b
    countersign audit check evidence/call_01a2...-0.tlog-proof --policy evidence/policy
    """
    from telemetry.checkpoint import parse_policy
    from telemetry.errors import NoteError, ProofError
    from telemetry.prove import check as check_proof

    try:
        proven = check_proof(_text(proof) or "", parse_policy(_text(policy) or ""))
    except (ProofError, NoteError) as error:
        raise CountersignError(f"{proof}: not proven: {error}") from error
    if json:
        show.as_json(proven.record)
        return
    print(
        f"proven: record {proven.index} of {proven.checkpoint.origin}, under a head of {proven.checkpoint.size} records"
    )
    _print([proven.record], json=False)


def _print(records: list[dict[str, Any]], json: bool) -> None:
    from telemetry.errors import AuditDamaged

    try:
        for record in records:
            if json:
                show.as_json(record)
            else:
                print(line_of(record))
    except AuditDamaged as error:
        raise CountersignError(str(error)) from error
    sys.stdout.flush()


def _why(kind: str, change: Mapping[str, Any]) -> str:
    """The reason that was given; of files with mistakes the first of them, of what files end what that is."""
    details = [str(one) for one in change.get("details") or ()]
    if change.get("reason") or kind not in {"config.mistake", "inventory.changed"} or not details:
        return str(change.get("reason", ""))
    return f"{change.get('kind', '')} {details[0]}{f' and {len(details) - 1} more' if details[1:] else ''}".strip()


def line_of(record: dict[str, Any]) -> str:
    """One record as one line for people."""
    error, action, approval = record.get("error") or {}, record.get("action") or {}, record.get("approval") or {}
    change, upstream = record.get("change") or {}, record.get("upstream") or {}
    pieces = [
        f"{record['idx']:>7}",
        record["ts"],
        f"{record['type']:18}",
        (record.get("agent") or {}).get("id", ""),
        action.get("operation", "") or action.get("path", ""),
        error.get("reason", ""),
        f"{approval.get('id', '')} {approval.get('state', '')}".strip(),
        f"status {upstream['status']}" if "status" in upstream else "",
        f"{change.get('what', '')} {_why(record['type'], change)}".strip(),
        record.get("call", ""),
        record.get("task", "") if "call" in record else "",
    ]
    return show.plain(" ".join(piece for piece in pieces if piece))
