"""Write the table of what is scored natively: ``native_coverage.py MODELS OUT``.

``MODELS/sklearn`` holds the cases that ``make_sklearn.py`` made and ``outcomes.json``, which the test ``sklearn`` writes.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import sklearn

HEAD = """# Native coverage of scikit-learn

Made by `tests/native_coverage.py` with scikit-learn {version}: every estimator of `sklearn.utils.all_estimators()` that predicts,
or transforms before a linear model, fitted on scikit-learn's own data sets, saved by MLflow as skops, pickle and cloudpickle, and
compared with the library's own answers: `predict`, `predict_proba`, `predict_log_proba`, `decision_function`. Trees and encoders
are equal to the last bit, sums within 1e-12 of their terms, labels are equal.

Of nearest rows, {near} rows of {rows} are not compared: there the last neighbor and the next are as far away, but for the last
bits of the product of matrices that the library looks at. Vectorizers are given the documents of one column: by its name or
number in a ColumnTransformer, or as a tensor of shape (-1,). Whether a character newer than the Unicode of a model's Python is
of a word is what newer tables say.

{native} of {total} estimators are native in every case, {partly} in some, {python} run in Python, {wrong} are wrong.

| estimator | scored | cases | why |
|---|---|---|---|
"""


def short(reason: str) -> str:
    """Return a reason without what all of them begin with."""
    return reason.removeprefix("the model cannot be scored natively: ").removeprefix("sklearn: ").replace("|", "\\|")


def main(models: Path, out: Path) -> None:
    """Write the table."""
    outcomes: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    counts: dict[str, int] = defaultdict(int)
    for case, outcome, reason in json.loads((models / "sklearn/outcomes.json").read_text()):
        name = case.split()[0]
        estimator = name.split(".")[0] if name[0].isupper() else name
        outcomes[estimator][outcome].add(short(reason))
        counts[estimator] += 1
    lines = []
    totals: dict[str, int] = defaultdict(int)
    for estimator in sorted(outcomes, key=lambda name: (not name[0].isupper(), name.lower())):
        seen = outcomes[estimator]
        scored = (
            "wrong" if "wrong" in seen else "native" if set(seen) == {"native"} else "partly" if "native" in seen else "Python"
        )
        if estimator[0].isupper():
            totals[scored] += 1
        why = "; ".join(sorted(reason for outcome, reasons in seen.items() if outcome != "native" for reason in reasons))
        lines.append(f"| {estimator} | {scored} | {counts[estimator]} | {why} |")
    left_out = json.loads((models / "sklearn/left-out.json").read_text())
    lines += ["", "Not compared:", "", "| estimator | why |", "|---|---|"]
    lines += [f"| {name} | {reason.replace('|', '/')} |" for name, reason in sorted(left_out.items())]
    cases = [json.loads(path.read_text()) for path in (models / "sklearn").glob("*/case.json")]
    head = HEAD.format(
        near=sum(len(case["near"]) for case in cases),
        rows=sum(case["rows"] for case in cases if case["neighbors"]),
        version=sklearn.__version__,
        native=totals["native"],
        total=sum(totals.values()),
        partly=totals["partly"],
        python=totals["Python"],
        wrong=totals["wrong"],
    )
    out.write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
