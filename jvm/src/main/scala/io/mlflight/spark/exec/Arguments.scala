// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.exec

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.types.{StructField, StructType}

/** The model's input columns as Spark computes them: a name and an expression each. */
final case class Arguments(names: Seq[String], columns: Seq[Expression]) {
  def schema: StructType = StructType(names.zip(columns).map { case (name, column) =>
    StructField(name, column.dataType, nullable = true)
  })

  /** Whether every column lies ready in a batch of the child: the columnar path needs no expression evaluated. */
  def columnar: Boolean = columns.forall {
    case _: Attribute | GetStructField(_: Attribute, _, _) => true
    case _ => false
  }
}
