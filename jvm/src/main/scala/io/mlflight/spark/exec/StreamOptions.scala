// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.exec

import java.io.ByteArrayOutputStream
import java.nio.charset.StandardCharsets.UTF_8

import scala.collection.JavaConverters._

import io.mlflight.spark.MlflightConf
import io.mlflight.spark.library.{NativeLibrary, SentFiles}
import org.apache.spark.{SparkEnv, TaskContext}

/** What an executor adds to a stream: where things lie on its machine, who asks, and how much of the machine is its own. */
private[spark] object StreamOptions {

  /** NUL-terminated keys and values in turn, as the native library reads them. Loads that library. */
  def of(scoring: Scoring, files: SentFiles, context: TaskContext): Array[Byte] = {
    val directory = NativeLibrary.load(scoring.nativePath.orNull)
    LocalServices.follow(SparkEnv.get)
    val conf = SparkEnv.get.conf
    val options = new Options
    options.put("mode", scoring.mode)
    scoring.server.foreach(options.put("server", _))
    scoring.caFile.orElse(sys.env.get("MLFLIGHT_CA_FILE")).foreach(options.put("ca", _))
    Settings.get(MlflightConf.TOKEN).orElse(sys.env.get("MLFLIGHT_TOKEN")).foreach(options.put("token", _))
    options.put("service", directory.resolve(NativeLibrary.SERVICE).toAbsolutePath.toString)
    options.put("digest", scoring.digest)
    Option(files.find(s"mlflight-model-${scoring.digest}.mlflight")).foreach { archive =>
      options.put("archive", archive.toString)
      options.put("cache", archive.resolveSibling("mlflight-models").toString)
    }
    python(scoring.python, files, options)
    options.put("threads", cores.toString)
    options.put("omp", conf.get("spark.task.cpus", "1"))
    options.put("label.application", conf.get("spark.app.id", ""))
    options.put("label.stage", context.stageId.toString)
    options.put("label.partition", context.partitionId.toString)
    options.put("label.attempt", context.attemptNumber.toString)
    options.bytes
  }

  private def python(python: PythonFunctionFacts, files: SentFiles, options: Options): Unit = {
    Option(python.executable).foreach(options.put("python", _))
    // As Spark's own Python workers find what `addPyFile` and `addArtifacts` sent.
    files.directories.asScala.foreach { directory =>
      options.put("path", directory.toString)
      python.includes.foreach(include => options.put("path", directory.resolve(include).toString))
    }
    python.environment.foreach { case (key, value) => options.put(s"env.$key", value) }
  }

  /** Tasks that may run at once in this JVM. */
  private def cores: Int = {
    val conf = SparkEnv.get.conf
    val local = """local\[(\d+)(?:,.*)?\]""".r
    val cluster = """local-cluster\[\s*\d+\s*,\s*(\d+)\s*,.*\]""".r
    conf.get("spark.master", "") match {
      case local(count) => count.toInt
      case cluster(count) => count.toInt
      case _ => conf.getInt("spark.executor.cores", Runtime.getRuntime.availableProcessors)
    }
  }

  private final class Options {
    private val out = new ByteArrayOutputStream

    def put(key: String, value: String): Unit = Seq(key, value).foreach { text =>
      out.write(text.getBytes(UTF_8))
      out.write(0)
    }

    def bytes: Array[Byte] = out.toByteArray
  }
}
