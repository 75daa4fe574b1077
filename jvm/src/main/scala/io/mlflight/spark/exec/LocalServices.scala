// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.exec

import io.mlflight.spark.library.NativeBridge
import org.apache.spark.SparkEnv
import org.apache.spark.scheduler.{SparkListener, SparkListenerApplicationEnd}
import org.apache.spark.sql.SparkSession

/**
 * Ends local services with their application. An executor's JVM ends with the application, and its service with it; but in local
 * mode tasks run in the driver's JVM, which may live on and start another application.
 */
private[spark] object LocalServices {
  private var followed: String = _

  /** Called for every stream, so that the first one of an application is among them. */
  def follow(env: SparkEnv): Unit = if (env.executorId == "driver") synchronized {
    // Not SparkContext.getOrCreate: a task that outlives its context would make another.
    SparkSession.getDefaultSession.map(_.sparkContext).filter(_.applicationId != followed).foreach { context =>
      context.addSparkListener(new SparkListener {
        override def onApplicationEnd(end: SparkListenerApplicationEnd): Unit = NativeBridge.endServices()
      })
      followed = context.applicationId
    }
  }
}
