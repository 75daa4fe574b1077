// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark;

import java.util.Collections;
import java.util.HashMap;
import org.apache.spark.sql.catalyst.expressions.NamedExpression$;
import org.apache.spark.sql.catalyst.expressions.PythonUDF;
import org.apache.spark.sql.types.DataType;

/** What PySpark does through py4j: Spark's Python functions are closed to Scala code. */
final class PythonFunctions {
  private static final int SQL_SCALAR_PANDAS_UDF = 200;

  private PythonFunctions() {}

  static PythonUDF udf(String name, byte[] command, String executable, DataType type, Object children)
      throws ReflectiveOperationException {
    Object function =
        new org.apache.spark.api.python.SimplePythonFunction(
            command, new HashMap<>(), Collections.emptyList(), executable, "3.12", Collections.emptyList(), null);
    return (PythonUDF)
        PythonUDF.class.getConstructors()[0].newInstance(
            name, function, type, children, SQL_SCALAR_PANDAS_UDF, true, NamedExpression$.MODULE$.newExprId());
  }
}
