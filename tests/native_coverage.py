"""Write the tables of what is scored natively and what is refused: ``native_coverage.py MODELS COVERAGE REFUSALS``.

``native_coverage.py MODELS`` prints the last section of ``REFUSALS`` alone, which the test ``refusals`` compares.

``MODELS/sklearn`` holds the cases that ``make_sklearn.py`` made, and ``outcomes.json`` and ``refusals.json``, which the test
``sklearn`` writes; ``MODELS/refusals`` those that ``make_refusals.py`` made, and ``refusals.json``, which the test ``refusals``
writes.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import lightgbm
import sklearn
import xgboost

REFUSALS = """# What native models refuse

Made by `tests/native_coverage.py`. Rows with something odd are given to every native model of the test suites, which does what
the library does:

- `refused`: by both, here with an error that has a code and a row and, where it is known, the column.
- `answered`: by both, with the same values.
- `refused here`: by mlflight alone; `engine="python"` answers.

An empty batch is answered with no rows, whatever the library says of it: it reaches no model.

## scikit-learn {version}

Every estimator and case of [coverage.md](coverage.md) that is scored natively is given six rows with something odd in one column.
Transformers are tried as they are scored: with a linear model behind them.

The oddities are infinity, NaN, 1e39 (which single precision cannot hold) and 12345.5 (a number that training did not see) in a
column of numbers, text in the place of a column of numbers, and in a column of text a category that training did not see, and
null.

{probes} answers to {count} odd rows: {panics} are a panic, {answered} were answered where the library refuses, {wrong} are wrong.

| estimator | method | infinity | NaN | 1e39 | number | text | category | None |
|---|---|---|---|---|---|---|---|---|
"""

ODDITIES = ("infinity", "NaN", "1e39", "number", "text", "category", "None")

BOOSTED = """
## XGBoost {xgboost} and LightGBM {lightgbm}

Every case of `tests/make_xgboost.py` and `tests/make_lightgbm.py` that is scored natively: each estimator, objective and booster.

- Values: in a column of doubles infinity, minus infinity, NaN, null, 1e39 (which single precision cannot hold) and 12345.5 (a
  number that training did not see), infinity in a column of floats, null and 2^53 + 1 in a column of integers, null in a column
  of truth values, a category that training did not see, and null, in a column of categories.
- Types: a column of doubles that is text, truth values, dates, times, lists, categories or nothing but nulls instead; a
  column of categories that holds numbers.
- Columns: one less, and one more.

The library is given the frame that pandas makes of the rows, where truth values with a null are pandas' nullable ones and a
column of nothing but nulls is one of NaN. XGBoost takes categories in a column of numbers for their codes, whatever they are
called; here they are refused.

{probes} answers: {panics} are a panic, {answered} were answered where the library refuses, {wrong} are wrong.

| case | estimator | method | {names} |
|---|---|---|{rule}
"""

BOOSTED_ODDITIES = (
    *("infinity", "minus infinity", "NaN", "null", "1e39", "number", "infinity in float", "null among integers", "2^53 + 1"),
    *("null among truths", "category", "null category", "text", "truth", "date", "time", "list", "words", "nothing", "codes"),
    *("fewer columns", "more columns"),
)

HEAD = """# Native coverage of scikit-learn

Made by `tests/native_coverage.py` with scikit-learn {version}: every estimator of `sklearn.utils.all_estimators()` that predicts,
or transforms before a linear model, fitted on scikit-learn's own data sets, saved by MLflow as skops, pickle and cloudpickle, and
compared with the library's own answers: `predict`, `predict_proba`, `predict_log_proba`, `decision_function`. Trees and encoders
are equal to the last bit, sums within 1e-12 of their terms, labels are equal.

Of nearest rows, {near} rows of {rows} are not compared: there the last neighbor and the next are as far away, but for the last
bits of the product of matrices that the library looks at. Vectorizers are given the documents of one column: by its name or
number in a ColumnTransformer, or as a tensor of shape (-1,). Whether a character newer than the Unicode of a model's Python is
of a word is what newer tables say.

scikit-learn tells None and NaN apart, and Arrow has one null. A null in a column of numbers is NaN, one in a column of truth
values is None. One in a column of text is what pandas makes of it where the model runs: None to a model whose requirements name
a pandas before 3, or that was fitted on columns with None, else NaN. A frame given to `load_model(...).predict` says itself which
of the two its columns hold. What a model does not know it refuses, or treats as `handle_unknown` says, as the library does. What
models refuse is in [refusals.md](refusals.md).

{native} of {total} estimators are native in every case, {partly} in some, {python} run in Python, {wrong} are wrong.

| estimator | scored | cases | why |
|---|---|---|---|
"""


def short(reason: str) -> str:
    """Return a reason without what all of them begin with."""
    return reason.removeprefix("the model cannot be scored natively: ").removeprefix("sklearn: ").replace("|", "\\|")


def estimator_of(case: str) -> str:
    """Return the estimator that a case is of, or the case where it is a combination."""
    return case.split(".")[0] if case[0].isupper() else case


def refusals(models: Path) -> str:
    """Return the table of what scikit-learn's estimators refuse."""
    found: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    outcomes: dict[str, int] = defaultdict(int)
    for case, method, oddity, seen in json.loads((models / "sklearn/refusals.json").read_text()):
        found[estimator_of(case), method][oddity] |= set(seen)
        for outcome in seen:
            outcomes[outcome] += 1
    lines = []
    for estimator, method in sorted(found, key=lambda key: (not key[0][0].isupper(), key[0].lower(), key[1])):
        cells = [" / ".join(sorted(found[estimator, method].get(oddity, ()))) for oddity in ODDITIES]
        if any(cells):
            lines.append(f"| {estimator} | {method} | " + " | ".join(cells) + " |")
    head = REFUSALS.format(
        version=sklearn.__version__,
        count=len(list((models / "sklearn").glob("*/probe.*.arrow"))),
        **counted(outcomes),
    )
    return head + "\n".join(lines) + "\n"


def boosted_refusals(models: Path) -> str:
    """Return the table of what boosted trees refuse."""
    found: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    outcomes: dict[str, int] = defaultdict(int)
    for case, estimator, method, oddity, outcome, _ in json.loads((models / "refusals/refusals.json").read_text()):
        found[case, estimator, method][oddity] = outcome
        outcomes[outcome] += 1
    lines = []
    for key in sorted(found, key=lambda key: (key[0].startswith("lightgbm"), key)):
        lines.append("| " + " | ".join([*key, *(found[key].get(oddity, "") for oddity in BOOSTED_ODDITIES)]) + " |")
    head = BOOSTED.format(
        xgboost=xgboost.__version__,
        lightgbm=lightgbm.__version__,
        names=" | ".join(BOOSTED_ODDITIES),
        rule="---|" * len(BOOSTED_ODDITIES),
        **counted(outcomes),
    )
    return head + "\n".join(lines) + "\n"


def counted(outcomes: dict[str, int]) -> dict[str, int]:
    """Return the numbers that a head says."""
    return {
        "probes": sum(outcomes.values()),
        "panics": outcomes["panic"],
        "answered": outcomes["answered where the library refuses"],
        "wrong": outcomes["wrong"],
    }


def main(models: Path, out: Path) -> None:
    """Write the table of coverage."""
    outcomes: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    counts: dict[str, int] = defaultdict(int)
    for case, outcome, reason in json.loads((models / "sklearn/outcomes.json").read_text()):
        estimator = estimator_of(case.split()[0])
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
    if len(sys.argv) == 2:
        print(boosted_refusals(Path(sys.argv[1])), end="")
        sys.exit()
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    Path(sys.argv[3]).write_text(refusals(Path(sys.argv[1])) + boosted_refusals(Path(sys.argv[1])))
