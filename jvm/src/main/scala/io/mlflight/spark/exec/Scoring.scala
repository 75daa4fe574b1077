// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.exec

import java.util.Base64

import org.apache.spark.sql.types.{DataType, StructField, StructType}

/** What the executors need to know of one prediction: plain values, compared by value so that equal plans are found equal. */
final case class Scoring(
    model: String,
    spec: String,
    digest: String,
    engine: String,
    mode: String,
    server: Option[String],
    nativePath: Option[String],
    caFile: Option[String],
    maxRecords: Int,
    python: PythonFunctionFacts,
    resultType: DataType) {

  def specBytes: Array[Byte] = Base64.getDecoder.decode(spec)

  /** The answer's schema as Spark reads it. */
  def output: StructType = StructType(Seq(StructField("prediction", resultType, nullable = true)))

  /** For EXPLAIN. */
  def describe: String =
    s"model=$model, mode=${server.fold(mode)(uri => s"$mode at $uri")}, engine=$engine"
}

/** The interpreter, environment and modules that Spark would have run the Python function with. */
final case class PythonFunctionFacts(executable: String, includes: Seq[String], environment: Map[String, String])
