// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.library;

import io.mlflight.spark.MlflightConf;
import io.mlflight.spark.MlflightException;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.util.Properties;

/**
 * Finds and loads the native library, once a class loader. It is looked for in the directory of the configuration key {@code
 * spark.mlflight.nativePath}; then where the driver's own package lies (known in the driver's JVM alone); then in the archive
 * that the driver sent with the application.
 */
public final class NativeLibrary {
  public static final String LIBRARY = "libmlflight_jni.so";
  public static final String SERVICE = "mlflight-service";

  /**
   * Holds the directory given to {@link io.mlflight.spark.Mlflight#install}. A system property, because in local mode the tasks run this class in
   * another class loader of the same JVM.
   */
  private static final String DRIVER_DIRECTORY = "mlflight.nativeDir";

  private static Path loaded;

  private NativeLibrary() {}

  /** The version of this jar. */
  public static String jarVersion() {
    return JarVersion.VALUE;
  }

  public static void setDriverDirectory(String directory) {
    System.setProperty(DRIVER_DIRECTORY, directory);
  }

  /** Loads the library on the first call; answers the directory it came from, where the service lies too. */
  public static synchronized Path load(String configured) {
    if (loaded == null) {
      Path directory = find(configured);
      link(directory.resolve(LIBRARY));
      String version = new String(NativeBridge.version(), StandardCharsets.UTF_8);
      if (!version.equals(jarVersion())) {
        throw MlflightException.failedPrecondition(
            "VERSION_MISMATCH", mismatch(jarVersion(), "the native library in " + directory, version));
      }
      loaded = directory;
    }
    return loaded;
  }

  public static String mismatch(String jar, String other, String version) {
    return "the Spark jar of mlflight is version " + jar + " but " + other + " is version " + version
        + "; install one version of mlflight on the driver and the executors";
  }

  private static Path find(String configured) {
    if (configured != null && !configured.isEmpty()) {
      Path directory = Paths.get(configured);
      if (!Files.isRegularFile(directory.resolve(LIBRARY))) {
        throw MlflightException.failedPrecondition(
            "NATIVE_LIBRARY_NOT_FOUND", MlflightConf.NATIVE_PATH.key() + " is '" + configured + "', where there is no " + LIBRARY);
      }
      return directory;
    }
    String driver = System.getProperty(DRIVER_DIRECTORY);
    if (driver != null && Files.isRegularFile(Paths.get(driver, LIBRARY))) {
      return Paths.get(driver);
    }
    String archive = "mlflight-native-" + jarVersion() + ".mlflight";
    Path shipped = SentFiles.ofSession().find(archive);
    if (shipped != null) {
      return NativeArchive.unpack(shipped);
    }
    throw MlflightException.failedPrecondition(
        "NATIVE_LIBRARY_NOT_FOUND",
        LIBRARY + " was not found: the driver sent no " + archive + " and " + MlflightConf.NATIVE_PATH.key() + " is not set");
  }

  private static void link(Path library) {
    checkMachine(library);
    try {
      System.load(library.toAbsolutePath().toString());
    } catch (UnsatisfiedLinkError error) {
      if (String.valueOf(error.getMessage()).contains("already loaded in another classloader")) {
        linkCopy(library);
      } else {
        throw new MlflightException(
            "FAILED_PRECONDITION",
            "NATIVE_LIBRARY_NOT_LOADED",
            "the native library cannot be loaded: " + error.getMessage(),
            error);
      }
    }
  }

  /** A JVM loads one file for one class loader: a second one gets its own copy, gone from the disk once it is mapped. */
  private static void linkCopy(Path library) {
    try {
      Path copy = Files.createTempFile("mlflight", ".so");
      try {
        Files.copy(library, copy, StandardCopyOption.REPLACE_EXISTING);
        System.load(copy.toString());
      } finally {
        Files.delete(copy);
      }
    } catch (IOException | UnsatisfiedLinkError error) {
      throw new MlflightException(
          "FAILED_PRECONDITION",
          "NATIVE_LIBRARY_NOT_LOADED",
          "a second copy of the native library cannot be loaded: " + error.getMessage()
              + "; set java.io.tmpdir to a writable directory that allows execution",
          error);
    }
  }

  /** The loader's own words for a foreign file do not name the two machines. */
  static void checkMachine(Path library) {
    String os = System.getProperty("os.name");
    String arch = System.getProperty("os.arch");
    byte[] head = new byte[20];
    try (RandomAccessFile file = new RandomAccessFile(library.toFile(), "r")) {
      file.readFully(head);
    } catch (IOException error) {
      throw new MlflightException(
          "FAILED_PRECONDITION", "NATIVE_LIBRARY_NOT_LOADED", library + " cannot be read: " + error.getMessage(), error);
    }
    boolean elf = head[0] == 0x7f && head[1] == 'E' && head[2] == 'L' && head[3] == 'F';
    int machine = (head[18] & 0xff) | (head[19] & 0xff) << 8;
    String built = !elf ? "another system" : machine == 62 ? "Linux amd64" : machine == 183 ? "Linux aarch64" : "ELF machine " + machine;
    String here = os + " " + arch;
    if (!built.equals(here)) {
      throw MlflightException.failedPrecondition(
          "WRONG_PLATFORM", "the native library " + library + " is built for " + built + ", this JVM runs on " + here);
    }
  }

  /** Read on first use, from the file that Maven wrote into the jar. */
  private static final class JarVersion {
    static final String VALUE = read();

    private static String read() {
      Properties properties = new Properties();
      try (InputStream file = NativeLibrary.class.getResourceAsStream("mlflight.properties")) {
        properties.load(file);
      } catch (IOException error) {
        throw MlflightException.failedPrecondition("BROKEN_JAR", "the mlflight jar has no readable mlflight.properties");
      }
      return properties.getProperty("version");
    }
  }
}
