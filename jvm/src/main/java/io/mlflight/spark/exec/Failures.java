// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.exec;

import io.mlflight.spark.MlflightException;
import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.util.Arrays;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;
import org.apache.spark.sql.types.DataType;
import scala.collection.immutable.Map;

/** The library's errors as the exceptions Spark and PySpark understand. */
final class Failures {
  private static final String PYTHON_EXCEPTION = "org.apache.spark.api.python.PythonException";
  private static final String RUNTIME_EXCEPTION = "org.apache.spark.SparkRuntimeException";

  private Failures() {}

  /**
   * What to throw from a task: a kill as a kill, the model's own failure as Spark's PythonException, all else as its
   * SparkRuntimeException (before Spark 4 as a class of the JDK). A class of this jar would reach a driver that cannot read it,
   * because ADD JAR keeps the jar out of the loader that reads failures there, and the user would see "UnknownReason".
   */
  static RuntimeException inTask(MlflightException error, TaskContext task, String signature, DataType result) {
    if (task.isInterrupted()) {
      return new TaskKilledException("killed while mlflight was scoring");
    }
    RuntimeException thrown = error.kind().equals("MODEL_FAILED") ? pythonException(error) : runtimeException(error, signature, result);
    if (thrown == null) {
      thrown = new IllegalArgumentException(error.getMessage());
    }
    thrown.setStackTrace(framed(error.getStackTrace()));
    return thrown;
  }

  /** Spark's own class for a failed Python function, which PySpark turns into {@code pyspark.errors.PythonException}. */
  private static RuntimeException pythonException(MlflightException error) {
    String message = error.traceback() == null ? "The model failed" : error.getMessage();
    String traceback = error.traceback() == null ? error.getMessage() : error.traceback();
    try {
      // Before Spark 4 it has a message and no condition.
      return (RuntimeException) Class.forName(PYTHON_EXCEPTION)
          .getConstructor(String.class, Throwable.class)
          .newInstance(message + ":\n" + traceback, null);
    } catch (ReflectiveOperationException changed) {
      return ofCondition(PYTHON_EXCEPTION, "PYTHON_EXCEPTION", new Map.Map2<>("msg", message, "traceback", traceback));
    }
  }

  private static RuntimeException runtimeException(MlflightException error, String signature, DataType result) {
    if (org.apache.spark.package$.MODULE$.SPARK_VERSION().startsWith("3.")) {
      return null;
    }
    // The template ends the sentence.
    String reason = error.getMessage().replaceAll("\\.$", "");
    return ofCondition(
        RUNTIME_EXCEPTION,
        "FAILED_EXECUTE_UDF",
        new Map.Map4<>("functionName", "mlflight", "signature", signature, "result", result.sql(), "reason", reason));
  }

  /** An exception with one of Spark's error conditions, by which PySpark knows its class; null where Spark has no such class. */
  private static RuntimeException ofCondition(String name, String condition, Map<String, String> parameters) {
    try {
      for (Constructor<?> constructor : Class.forName(name).getConstructors()) {
        Class<?>[] types = constructor.getParameterTypes();
        if (types.length == 5 && types[1] == Map.class && types[4] == String.class) {
          Object contexts = Array.newInstance(types[3].getComponentType(), 0);
          return (RuntimeException) constructor.newInstance(condition, parameters, null, contexts, "");
        }
      }
    } catch (ReflectiveOperationException absent) {
      return null;
    }
    return null;
  }

  /** PySpark 3.5 knows a failed Python function by a stack frame of Spark's Python package. */
  private static StackTraceElement[] framed(StackTraceElement[] stack) {
    StackTraceElement[] framed = Arrays.copyOf(stack, stack.length + 1);
    framed[stack.length] =
        new StackTraceElement("org.apache.spark.sql.execution.python.MlflightEval", "score", "MlflightEvalExec.scala", -1);
    return framed;
  }
}
