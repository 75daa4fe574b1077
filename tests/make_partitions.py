"""Write tests/data/partitions.json: the types and values that Spark infers from directories' names. Run by hand."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from pyspark.sql import SparkSession

NULL = "__HIVE_DEFAULT_PARTITION__"
LONG = "9223372036854775807"
BEYOND = "9223372036854775808"
CASES = [
    *[["1", "2"], ["007"], ["+5"], ["-3", "2147483648"], [LONG], [BEYOND, "1"], ["1" * 38], ["1" * 39], ["20240102"]],
    *[["1.5", "2"], ["1.5", "3000000000"], ["1e5"], ["5."], [".5"], ["1d"], ["3f"], ["1.0d", "2"], [" 1"], ["1.5 "]],
    *[["NaN"], ["nan"], ["Infinity"], ["-Infinity"], ["inf"], [BEYOND, "1.5"], ["1", "1.5", "a"]],
    *[["2024-01-02", "2024-02-29"], ["2023-02-29"], ["2024-1-2"], ["2024-01-02", "1"], ["12:30"]],
    *[["2024-01-02 03:04:05"], ["2024-01-02 03%3A04%3A05.5"], ["2024-01-02 03%3A04%3A05.123"]],
    *[["2024-01-02T03%3A04%3A05"], ["2024-01-02", "2024-01-02 03%3A04%3A05"]],
    *[["a", "1"], ["true"], [NULL], [NULL, "4"], [NULL, "x%2Fy"], ["a%20b"], ["x=y"], ["100%25"], ["5%"]],
]


def main() -> None:
    spark = SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    lines = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as root:
            for value in case:
                directory = Path(root, f"k={value}")
                directory.mkdir()
                Path(directory, "x.json").write_text(json.dumps({"v": value}))
            frame = spark.read.json(root)
            texts = {row["v"]: row["text"] for row in frame.selectExpr("v", "cast(k as string) text").collect()}
            lines.append(json.dumps([case, dict(frame.dtypes)["k"], [texts[value] for value in case]]))
    text = f'{{"spark": "{spark.version}", "cases": [\n' + ",\n".join(lines) + "\n]}\n"
    Path(__file__).with_name("data").joinpath("partitions.json").write_text(text)


if __name__ == "__main__":
    main()
