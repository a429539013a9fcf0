"""`python -m deploy.local.demo` is `retake demo`."""

import typer

from deploy.local.demo.cli import demo

if __name__ == "__main__":
    typer.run(demo)
