"""Scoring with Spark, and models of Spark ML."""

from mlflight.spark.flavor import load_model, log_model, save_model
from mlflight.spark.udf import spark_udf

__all__ = ["load_model", "log_model", "save_model", "spark_udf"]
