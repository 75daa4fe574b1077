// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.library;

import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.JobArtifactSet;
import org.apache.spark.SparkFiles;
import scala.Option;

/**
 * The files that came with a session ({@code addArtifacts} of Spark Connect) or with the application ({@code addFile}). A task does
 * not know its session, so this is made on the driver and goes with the task. In Java, because Spark hides the session's state
 * from Scala.
 */
public final class SentFiles implements Serializable {
  private static final long serialVersionUID = 1L;

  /** The directory of the session's own files below the application's; null where it has none. */
  private final String session;

  private SentFiles(String session) {
    this.session = session;
  }

  /** Those of the session whose query this thread plans or starts. */
  public static SentFiles ofSession() {
    Option<String> uuid = JobArtifactSet.getCurrentJobArtifactState().map(state -> state.uuid());
    return new SentFiles(uuid.isDefined() ? uuid.get() : null);
  }

  /** The file of this name, or null. */
  public Path find(String name) {
    for (Path directory : directories()) {
      if (Files.isRegularFile(directory.resolve(name))) {
        return directory.resolve(name);
      }
    }
    return null;
  }

  /** Where the files lie on this machine: the session's own, then the application's. */
  public List<Path> directories() {
    Path application = Paths.get(SparkFiles.getRootDirectory()).toAbsolutePath();
    List<Path> directories = new ArrayList<>();
    if (session != null && Files.isDirectory(application.resolve(session))) {
      directories.add(application.resolve(session));
    }
    directories.add(application);
    return directories;
  }
}
