"""Scoring with Spark."""

from mlflight.spark.udf import spark_udf

__all__ = ["spark_udf"]
