"""`make bench` runs every row, `make bench ROW=loop` one. Tables go to stdout, raw numbers to out/bench/ROW.json."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys

import bench


def rows() -> list[str]:
    """A row is a module of this package with a `main()`."""
    return [m.name for m in pkgutil.iter_modules(bench.__path__) if not m.name.startswith("_")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("row", nargs="*", help=f"of: {', '.join(rows())}")
    chosen = parser.parse_args().row or rows()
    if unknown := sorted(set(chosen) - set(rows())):
        sys.exit(f"no such row: {', '.join(unknown)}; there are {', '.join(rows())}")
    for name in chosen:
        print(f"== {name}", flush=True)
        sys.argv = [f"bench.{name}"]  # a row has options of its own: `python -m bench.compile --help`
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
