// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark

import java.util.Base64

import scala.collection.JavaConverters._

import org.apache.spark.sql.catalyst.expressions.PythonUDF
import org.apache.spark.sql.internal.SQLConf
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

object Scoring {
  val ModeKey = "spark.mlflight.mode"
  val ServerKey = "spark.mlflight.server"
  val CaFileKey = "spark.mlflight.tls.caFile"
  val MaxRecordsKey = "spark.mlflight.batch.maxRecords"

  /** Read by executors alone, so that it is in no plan; its name makes Spark redact it. */
  val TokenKey = "spark.mlflight.token"

  val Service = "service"
  val Embedded = "embedded"
  val Python = "python"

  def mode(mark: Mark, conf: SQLConf): String =
    mark.mode.orElse(setting(conf, ModeKey)).getOrElse(Service)

  def of(mark: Mark, udf: PythonUDF, conf: SQLConf): Scoring = {
    val func = udf.func
    val mode = this.mode(mark, conf)
    if (mode != Service && mode != Embedded) {
      throw MlflightException.invalidArgument(
        "INVALID_MODE",
        s"$ModeKey is '$mode'; it may be '$Service', '$Embedded' or '$Python'")
    }
    Scoring(
      mark.uri,
      mark.spec,
      mark.digest,
      mark.engine,
      mode,
      mark.server.orElse(setting(conf, ServerKey)).filter(_ => mode == Service),
      setting(conf, NativeLibrary.PATH_KEY),
      setting(conf, CaFileKey),
      setting(conf, MaxRecordsKey).map(_.toInt).filter(_ > 0).getOrElse(10000),
      PythonFunctionFacts(func.pythonExec, func.pythonIncludes.asScala.toList, func.envVars.asScala.toMap),
      udf.dataType)
  }

  private def setting(conf: SQLConf, key: String): Option[String] =
    Option(conf.getConfString(key, null)).map(_.trim).filter(_.nonEmpty)
}
