"""How long one call's body holds up the event loop: reading it strictly, its canonical bytes, and its redaction.

    uv run python -m tests.bench.bench_describe [--objects 10000] [--rounds 7]

Each part is shown beside what the standard library takes only to parse the same bytes. Processor time, best of the
rounds. `twins` is a document that cannot be read quickly: two of its keys, in different objects, differ in case.
"""

import argparse
import json
import time
from collections.abc import Callable

from proxy import strict_json
from telemetry.redaction import redact

TARGET = 8.0


def documents(count: int) -> dict[str, bytes]:
    """Documents as agents send them, with so many objects each, and a small one."""
    rows = [{"id": number, "name": f"Customer {number}", "plan": "gold", "ok": True} for number in range(count)]
    floats = [{**row, "amount": number * 1.37, "limit": float(number)} for number, row in enumerate(rows)]
    foreign = [{"id": number, "gr\u00f6\u00dfe": "\u00fc"} for number in range(count)]
    return {
        "plain": json.dumps({"rows": rows}).encode(),
        "floats": json.dumps({"rows": floats}).encode(),
        "other scripts": json.dumps({"rows": foreign}, ensure_ascii=False).encode(),
        "twins": json.dumps({"rows": [*rows, {"ID": 1}]}).encode(),
        "small": b'{"customer":"c-7","amount":450,"reason":"late","lines":[{"sku":"a"},{"sku":"b"}]}',
    }


def main() -> None:
    """Measure, and print one row for each document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(f"{'':14} {'bytes':>8} {'parse':>8} {'read':>8} {'spell':>8} {'redact':>8} {'all/parse':>10}   milliseconds")
    for name, data in documents(options.objects).items():
        times = 1 if len(data) > 10_000 else 200
        document = strict_json.read(data, max_bytes=1 << 22)
        steps: list[Callable[[], object]] = [
            lambda data=data: json.loads(data),
            lambda data=data: strict_json.read(data, max_bytes=1 << 22),
            lambda it=document: strict_json.canonical(it.value, plain=it.plain),
            lambda it=document: redact(it.value),
        ]
        parse, read, spell, redacted = (best(step, options.rounds, times) for step in steps)
        ratio = (read + spell + redacted) / parse
        print(f"{name:14} {len(data):8} {parse:8.3f} {read:8.3f} {spell:8.3f} {redacted:8.3f} {ratio:10.1f}")
    print(f"target: all three within {TARGET:.0f} x a plain parse for large documents that are read quickly")


def best(step: Callable[[], object], rounds: int, times: int) -> float:
    """Milliseconds of processor time."""
    found = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(times):
            step()
        found.append(time.process_time() - began)
    return min(found) * 1000 / times


if __name__ == "__main__":
    main()
