// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.plan

import java.io.ByteArrayInputStream
import java.util.Base64
import java.util.zip.InflaterInputStream

import scala.util.control.NonFatal

import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}
import io.mlflight.spark.MlflightException
import io.mlflight.spark.library.NativeLibrary
import org.apache.spark.sql.catalyst.expressions.PythonUDF
import org.apache.spark.sql.types.DataType

/**
 * What `mlflight.spark_udf` left in its Python function: which model scores, and how. A text `MLFLIGHT1{base64 of compressed
 * JSON}`, the first argument of the call that the function's pickle is ([[MarkedPickle]]).
 */
final case class Mark(
    version: String,
    spec: String,
    uri: String,
    digest: String,
    engine: String,
    mode: Option[String],
    server: Option[String],
    inputs: Option[Seq[String]],
    required: Option[Int])

object Mark {
  private val Text = """MLFLIGHT1\{([A-Za-z0-9+/=]*)\}""".r

  /** Spark's numbers for a `pandas_udf` and an `arrow_udf` that give one value for each row; 3.5 knows only the first. */
  private val Scalar = Set(200, 250)

  /** The mark of a UDF of ours. A user's own UDF has none, whatever functions of ours it calls. */
  def of(udf: PythonUDF): Option[Mark] =
    if (Scalar(udf.evalType)) in(udf.func.command.toArray, udf.dataType) else None

  private[spark] def in(command: Array[Byte], result: DataType): Option[Mark] =
    MarkedPickle
      .mark(command)
      .collect { case Text(base64) => base64 }
      .flatMap(parse)
      .filter(json => text(json, "result").exists(isType(_, result)))
      .map(mark)

  private def parse(base64: String): Option[JsonNode] =
    try {
      val content = new InflaterInputStream(new ByteArrayInputStream(Base64.getDecoder.decode(base64)))
      Option(new ObjectMapper().readTree(content)).filter(_.isObject)
    } catch {
      // Nothing of ours: Spark runs the function.
      case _: IllegalArgumentException | _: java.io.IOException => None
    }

  /** Whether JSON means this type; nullability and metadata, which Spark may change, aside. */
  private def isType(json: String, result: DataType): Boolean =
    try DataType.fromJson(json).catalogString == result.catalogString
    catch {
      case NonFatal(_) => false
    }

  private def mark(json: JsonNode): Mark = {
    val version = text(json, "version").getOrElse("unknown")
    if (version != NativeLibrary.jarVersion) {
      throw MlflightException.failedPrecondition(
        "VERSION_MISMATCH",
        NativeLibrary.mismatch(NativeLibrary.jarVersion, "the Python package that made the UDF", version))
    }
    Mark(
      version,
      text(json, "spec").getOrElse(""),
      text(json, "uri").getOrElse(""),
      text(json, "digest").getOrElse(""),
      text(json, "engine").getOrElse("auto"),
      text(json, "mode"),
      text(json, "server"),
      strings(json.get("inputs")),
      Option(json.get("required")).filter(_.isInt).map(_.intValue))
  }

  private def text(json: JsonNode, key: String): Option[String] =
    Option(json.get(key)).filter(_.isTextual).map(_.textValue).filter(_.nonEmpty)

  private def strings(json: JsonNode): Option[Seq[String]] =
    if (json == null || !json.isArray) None
    else Some((0 until json.size).map(json.get(_).asText))
}
