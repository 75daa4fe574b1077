// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.plan

import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Paths}

import scala.collection.JavaConverters._

import io.mlflight.spark.MlflightConf
import io.mlflight.spark.exec.{PythonFunctionFacts, Scoring, Settings}
import io.mlflight.spark.library.NativeBridge
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.catalyst.expressions.PythonUDF

/** Decides what a mark and the session's settings leave open. Settings that cannot be are refused here, before any task runs. */
private[plan] object Planning {

  def mode(mark: Mark): String = mark.mode.orElse(Settings.get(MlflightConf.MODE)).get

  /** `NativeLibrary` is loaded. */
  def scoring(mark: Mark, udf: PythonUDF): Scoring = {
    check()
    val func = udf.func
    val mode = this.mode(mark)
    Scoring(
      mark.uri,
      mark.spec,
      mark.digest,
      mark.engine,
      mode,
      mark.server.orElse(Settings.get(MlflightConf.SERVER)).filter(_ => mode == MlflightConf.SERVICE),
      Settings.get(MlflightConf.NATIVE_PATH),
      Settings.get(MlflightConf.CA_FILE),
      Settings.get(MlflightConf.MAX_RECORDS).get,
      PythonFunctionFacts(func.pythonExec, func.pythonIncludes.asScala.toList, func.envVars.asScala.toMap),
      udf.dataType)
  }

  /** Looks at every setting, also at those that the mark goes before or that only executors read. */
  private def check(): Unit = {
    MlflightConf.ENTRIES.asScala.foreach(Settings.get(_))
    Settings.get(MlflightConf.SERVER).foreach(uri => NativeBridge.checkServer(uri.getBytes(UTF_8)))
    // A file on the executors: the driver can look for it where it is the executor.
    val here = SparkSession.getDefaultSession.exists(_.sparkContext.isLocal)
    Settings.get(MlflightConf.CA_FILE).filter(path => here && !Files.isRegularFile(Paths.get(path))).foreach { path =>
      throw MlflightConf.CA_FILE.refusal(s"is '$path', where there is no file")
    }
  }
}
