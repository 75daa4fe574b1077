"""Measure the time to a first prediction on the command line: one row of CSV, whole processes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import data
from measure import Table, run

HERE = Path(sys.executable)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    model, source, target = data.model("xgb500"), data.csv(28, 1), data.HOME / "first.csv"
    arguments = ["-m", model, "-i", source, "-o", target]
    theirs = [HERE.with_name("mlflow"), "models", "predict", *arguments, "-t", "csv", "--env-manager", "local"]
    ours = [HERE.with_name("mlflight"), "predict", *arguments]

    def fresh(command: list[str | Path]):
        def once():
            target.unlink(missing_ok=True)
            return run(command)

        return once

    Table("Start to first prediction, xgb500", 1).rounds({"MLflow": fresh(theirs), "mlflight": fresh(ours)}, options.rounds).show(
        "MLflow"
    )


if __name__ == "__main__":
    main()
