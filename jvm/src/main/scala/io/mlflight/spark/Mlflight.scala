// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark

import io.mlflight.spark.library.NativeLibrary
import io.mlflight.spark.plan.MlflightStrategy
import org.apache.spark.sql.{SparkSession, SparkSessionExtensions}

/** Brings the planner strategy into a session. */
object Mlflight {

  /**
   * Installs into a session that is already running, as the Python package does; calling it again changes nothing.
   *
   * @param nativeDir
   *   where the native library and the service lie on the driver; may be null
   */
  def install(session: SparkSession, nativeDir: String): Unit = session.synchronized {
    if (nativeDir != null) {
      NativeLibrary.setDriverDirectory(nativeDir)
    }
    val strategies = session.experimental.extraStrategies
    if (!strategies.contains(MlflightStrategy)) {
      session.experimental.extraStrategies = strategies :+ MlflightStrategy
    }
  }
}

/**
 * The same for sessions configured at their start:
 * {{{
 *   spark-submit --jars mlflight-spark4_2.13.jar --conf spark.sql.extensions=io.mlflight.spark.MlflightExtensions
 * }}}
 */
class MlflightExtensions extends (SparkSessionExtensions => Unit) {
  override def apply(extensions: SparkSessionExtensions): Unit =
    extensions.injectPlannerStrategy(_ => MlflightStrategy)
}
