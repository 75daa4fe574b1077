// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.plan

import io.mlflight.spark.MlflightException
import io.mlflight.spark.exec.Arguments
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.types.StructType

/** Gives the columns that a UDF is called with the names of the model's inputs. */
private[plan] object NamedArguments {

  /**
   * MLflow's rules: one struct is the whole input; else columns are named by the signature in order, and what is over is dropped;
   * without a signature they are "0", "1", ... Arguments passed by name keep their names.
   */
  def of(mark: Mark, arguments: Seq[Expression]): Arguments = arguments match {
    case Seq() =>
      throw MlflightException.invalidArgument(
        "MISSING_COLUMN",
        s"the UDF of model '${mark.uri}' was called without columns")
    case Seq(struct: CreateNamedStruct) =>
      Arguments(struct.names.map(_.toString), struct.valExprs)
    case Seq(struct) if struct.dataType.isInstanceOf[StructType] =>
      val fields = struct.dataType.asInstanceOf[StructType].fields.toSeq
      Arguments(fields.map(_.name), fields.indices.map(i => GetStructField(struct, i, Some(fields(i).name))))
    case _ =>
      val (named, unnamed) = arguments.partition(_.isInstanceOf[NamedArgumentExpression])
      val names = positional(mark, unnamed.length, named.nonEmpty)
      val byName = named.collect { case NamedArgumentExpression(name, value) => name -> value }
      Arguments(names ++ byName.map(_._1), unnamed.take(names.length) ++ byName.map(_._2))
  }

  private def positional(mark: Mark, count: Int, more: Boolean): Seq[String] = mark.inputs match {
    case None => (0 until count).map(_.toString)
    case Some(names) =>
      if (!more && count < mark.required.getOrElse(names.length)) {
        throw MlflightException.invalidArgument(
          "MISSING_COLUMN",
          s"Model input is missing required columns. Expected ${names.length} required input columns " +
            s"${names.mkString("['", "', '", "']")}, but the model received only $count unnamed input columns " +
            "(Since the columns were passed unnamed they are expected to be in the order specified by the schema).")
      }
      names.take(count)
  }
}
