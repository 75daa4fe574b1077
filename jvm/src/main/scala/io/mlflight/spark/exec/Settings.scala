// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.exec

import io.mlflight.spark.ConfEntry
import org.apache.spark.sql.internal.SQLConf

/** The configuration keys of [[io.mlflight.spark.MlflightConf]] in the session that plans, or whose task runs. */
private[spark] object Settings {

  /** The value that is set, else the default; None where there is neither. */
  def get[T](entry: ConfEntry[T]): Option[T] = Option(entry.read(SQLConf.get.getConfString(entry.key, null)))
}
