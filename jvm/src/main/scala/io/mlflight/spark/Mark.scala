// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark

import java.nio.charset.StandardCharsets.{ISO_8859_1, UTF_8}
import java.util.Base64

import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}
import org.apache.spark.sql.catalyst.expressions.PythonUDF

/**
 * What `mlflight.spark_udf` left in its Python function: which model scores, and how. A string constant
 * `MLFLIGHT1{base64 of JSON}`, which survives pickling as plain bytes.
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
  private val Open = "MLFLIGHT1{"
  private val Close = '}'

  /** The mark of a Python function, when it has one. */
  def of(udf: PythonUDF): Option[Mark] = in(udf.func.command.toArray)

  private[spark] def in(command: Array[Byte]): Option[Mark] = {
    val text = new String(command, ISO_8859_1)
    val start = text.indexOf(Open)
    val end = if (start < 0) -1 else text.indexOf(Close, start)
    if (end < 0) None else Some(parse(text.substring(start + Open.length, end)))
  }

  private def parse(base64: String): Mark = {
    val json =
      try new ObjectMapper().readTree(new String(Base64.getDecoder.decode(base64), UTF_8))
      catch {
        case error @ (_: IllegalArgumentException | _: java.io.IOException) =>
          throw new MlflightException(
            "INVALID_ARGUMENT", "BROKEN_MARK", s"the mark in the UDF cannot be read: ${error.getMessage}", error)
      }
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
