// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark;

import java.lang.reflect.Constructor;
import java.util.Arrays;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;

/** The library's errors as the exceptions Spark and PySpark understand. */
final class Failures {
  private static final String PYTHON_EXCEPTION = "org.apache.spark.api.python.PythonException";

  private Failures() {}

  /**
   * What to throw from a task: a kill as a kill, the model's own failure as Spark's PythonException, all else as a class of the
   * JDK. A class of this jar would reach a driver that cannot read it, because ADD JAR keeps the jar out of the loader that reads
   * failures there, and the user would see "UnknownReason".
   */
  static RuntimeException inTask(MlflightException error, TaskContext task) {
    if (task.isInterrupted()) {
      return new TaskKilledException("killed while mlflight was scoring");
    }
    RuntimeException plain = new IllegalArgumentException(error.getMessage());
    plain.setStackTrace(error.getStackTrace());
    return error.kind().equals("MODEL_FAILED") ? pythonException(error, plain) : plain;
  }

  /**
   * Spark's own class for a failed Python function, which PySpark turns into {@code pyspark.errors.PythonException}. Its
   * constructor changed between versions, so it is looked up; PySpark before 4.0 recognises the exception by a stack frame of
   * Spark's Python package, so it gets one.
   */
  static RuntimeException pythonException(MlflightException error, RuntimeException otherwise) {
    String text = error.traceback() == null ? error.getMessage() : error.traceback();
    if (error.traceback() != null && !text.contains(error.getMessage())) {
      text = error.getMessage() + "\n" + text;
    }
    RuntimeException converted = construct(text);
    if (converted == null) {
      return otherwise;
    }
    StackTraceElement[] stack = error.getStackTrace();
    StackTraceElement[] framed = Arrays.copyOf(stack, stack.length + 1);
    framed[stack.length] =
        new StackTraceElement("org.apache.spark.sql.execution.python.MlflightEval", "score", "MlflightEvalExec.scala", -1);
    converted.setStackTrace(framed);
    return converted;
  }

  private static RuntimeException construct(String text) {
    try {
      for (Constructor<?> constructor : Class.forName(PYTHON_EXCEPTION).getConstructors()) {
        Class<?>[] types = constructor.getParameterTypes();
        if (types.length >= 2 && types[0] == String.class && types[1] == Throwable.class) {
          Object[] arguments = new Object[types.length];
          arguments[0] = text;
          for (int i = 1; i < types.length; i++) {
            arguments[i] = empty(types[i]);
          }
          return (RuntimeException) constructor.newInstance(arguments);
        }
      }
    } catch (ReflectiveOperationException absent) {
      return null;
    }
    return null;
  }

  /** Later versions add an error class, its parameters and query contexts, all of which may be empty. */
  private static Object empty(Class<?> type) {
    if (type.isArray()) {
      return java.lang.reflect.Array.newInstance(type.getComponentType(), 0);
    } else if (type == scala.Option.class) {
      return scala.Option.empty();
    } else if (type == scala.collection.immutable.Map.class) {
      return scala.collection.immutable.Map$.MODULE$.empty();
    }
    return null;
  }
}
