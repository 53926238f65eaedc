"""`countersign` under cProfile, for the benches: with `BENCH_PROFILE=FILE`, the proxy runs so and leaves FILE behind.

BENCH_PROFILE=/tmp/serve.prof uv run python -m tests.bench.bench_throughput --rounds 1
python -c "import pstats; pstats.Stats('/tmp/serve.prof').sort_stats('tottime').print_stats(40)"
"""

import cProfile
import sys

from proxy.cli.main import main

if __name__ == "__main__":
    profile = cProfile.Profile()
    file = sys.argv.pop(1)
    try:
        profile.runcall(main)
    finally:
        profile.dump_stats(file)
