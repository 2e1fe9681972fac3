"""Run the benchmarks, all or one: `python tests/bench/run.py [name]`."""

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHMARKS = sorted(path.stem for path in HERE.glob("*.py") if path.stem != "run" and not path.stem.startswith("_"))

wanted = sys.argv[1:] or BENCHMARKS
unknown = [name for name in wanted if name not in BENCHMARKS]
if unknown:
    sys.exit(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
# The servers that MLflow's client is tested against are those that it is measured against.
sys.path[:0] = [str(HERE), str(HERE.parent / "mlflow")]
for name in wanted:
    print(f"== {name}", flush=True)
    sys.argv = [str(HERE / f"{name}.py")]
    runpy.run_path(sys.argv[0], run_name="__main__")
