"""Write small models of one old XGBoost, with what it predicts itself: ``make.py`` in that XGBoost's own environment.

Makes ``VERSION/CASE.json`` (and ``.ubj`` where that XGBoost writes it) beside this script, and for each model what it
predicts for ``rows()`` as ``VERSION/CASE.expected``: a JSON object of the answers ``predict`` and ``margin``, lists of rows,
whose decimals are single floats in full. Versions 1.0.2 and 1.5.2 ran on Python 3.8, 1.6.2, 1.7.6, 2.1.4 and 3.0.5 on 3.10,
up to 1.7 with NumPy 1.23.
"""

import json
import os

import numpy as np
import xgboost as xgb

HERE = os.path.dirname(os.path.abspath(__file__))
FEATURES = [f"f{i}" for i in range(5)]


def rows(count):
    """Return doubles between -8 and 8 in steps of 1/16, every eleventh missing: the same in every NumPy, and in the test."""
    state, values = 12345, []
    for at in range(count * len(FEATURES)):
        state = (state * 1103515245 + 12345) % (1 << 31)
        values.append(float("nan") if at % 11 == 3 else ((state >> 8) % 256 - 128) / 16.0)
    return np.array(values).reshape(count, len(FEATURES))


def target(x):
    """Return a target of both signs."""
    f = np.nan_to_num(x)
    return f[:, 0] + np.sin(f[:, 1]) * 3 - np.abs(f[:, 2])


def cases():
    """Yield names, settings and labels."""
    y = target(rows(200))
    yield "squarederror", {"objective": "reg:squarederror"}, y
    yield "logistic", {"objective": "binary:logistic", "base_score": 0.3}, (y > 0).astype(float)
    yield "softprob", {"objective": "multi:softprob", "num_class": 3}, np.digitize(y, [-4.0, 0.0]).astype(float)
    yield "poisson", {"objective": "count:poisson"}, np.round(np.abs(y))
    yield "dart", {"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.5, "seed": 7}, y
    yield "linear", {"objective": "reg:squarederror", "booster": "gblinear"}, y


def answers(booster, data):
    """Return what the model predicts, every number as the double that a single float is."""
    found = {"predict": booster.predict(data), "margin": booster.predict(data, output_margin=True)}
    return {name: np.asarray(values, dtype=float).reshape(len(values), -1).tolist() for name, values in found.items()}


def main():
    """Write the models of the XGBoost that runs this."""
    out = os.path.join(HERE, xgb.__version__)
    os.makedirs(out, exist_ok=True)
    data = xgb.DMatrix(rows(24), feature_names=FEATURES)
    formats = ["json", "ubj"] if tuple(map(int, xgb.__version__.split(".")[:2])) >= (1, 6) else ["json"]
    for name, settings, y in cases():
        x = np.nan_to_num(rows(200)) if name == "linear" else rows(200)
        train = xgb.DMatrix(x, label=y, feature_names=FEATURES)
        booster = xgb.train(dict(settings, nthread=1, **({} if name == "linear" else {"max_depth": 3})), train, 3)
        for suffix in formats:
            booster.save_model(os.path.join(out, f"{name}.{suffix}"))
        with open(os.path.join(out, name + ".expected"), "w") as file:
            json.dump(answers(booster, data), file)


main()
