// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark

import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Paths}

import scala.util.Try

import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.internal.SQLConf

/**
 * The configuration keys that the planner reads. A value that cannot be is refused here, before any task runs, in a sentence with
 * the key, the value and what is allowed.
 */
private[spark] object Settings {
  val ModeKey = "spark.mlflight.mode"
  val ServerKey = "spark.mlflight.server"
  val CaFileKey = "spark.mlflight.tls.caFile"
  val MaxRecordsKey = "spark.mlflight.batch.maxRecords"

  /** Read by executors, so that it is in no plan; its name makes Spark redact it. */
  val TokenKey = "spark.mlflight.token"

  private val DefaultMaxRecords = 10000

  def mode(conf: SQLConf): Option[String] = text(conf, ModeKey).map {
    case known @ (Scoring.Service | Scoring.Embedded | Scoring.Python) => known
    case other =>
      refuse(s"$ModeKey is '$other'; it may be '${Scoring.Service}', '${Scoring.Embedded}' or '${Scoring.Python}'")
  }

  def server(conf: SQLConf): Option[String] = {
    val server = text(conf, ServerKey)
    server.foreach(uri => NativeBridge.checkServer(uri.getBytes(UTF_8)))
    server
  }

  def nativePath(conf: SQLConf): Option[String] = text(conf, NativeLibrary.PATH_KEY)

  /** A file on the executors: the driver can look for it where it is the executor. */
  def caFile(conf: SQLConf): Option[String] = {
    val file = text(conf, CaFileKey)
    val here = SparkSession.getDefaultSession.exists(_.sparkContext.isLocal)
    file.filter(path => here && !Files.isRegularFile(Paths.get(path))).foreach { path =>
      refuse(s"$CaFileKey is '$path', where there is no file; it may be the path of a PEM file")
    }
    file
  }

  /** Rows in a batch on the row path. */
  def maxRecords(conf: SQLConf): Int = text(conf, MaxRecordsKey) match {
    case None => DefaultMaxRecords
    case Some(value) =>
      Try(value.toInt).toOption
        .filter(_ > 0)
        .getOrElse(refuse(s"$MaxRecordsKey is '$value'; it may be a whole number from 1 to ${Int.MaxValue}"))
  }

  def token(conf: SQLConf): Option[String] = {
    val token = text(conf, TokenKey)
    if (token.exists(_.exists(char => char < ' ' || char > '~'))) {
      refuse(s"$TokenKey has a character that a header cannot carry; it may have printable ASCII characters only")
    }
    token
  }

  private def text(conf: SQLConf, key: String): Option[String] =
    Option(conf.getConfString(key, null)).map(_.trim).filter(_.nonEmpty)

  private def refuse(sentence: String): Nothing =
    throw MlflightException.invalidArgument("INVALID_SETTING", sentence)
}
