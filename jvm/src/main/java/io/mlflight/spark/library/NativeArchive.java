// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.library;

import io.mlflight.spark.MlflightException;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Takes the library and the service out of the tar file that the driver sends; nothing else in it is looked at. */
final class NativeArchive {
  private static final int BLOCK = 512;

  private NativeArchive() {}

  /** Unpacks beside the archive, once an application: whoever comes second finds the directory made. */
  static Path unpack(Path archive) {
    String name = archive.getFileName().toString();
    Path directory = archive.resolveSibling(name.substring(0, name.length() - ".mlflight".length()));
    if (Files.isDirectory(directory)) {
      return directory;
    }
    try {
      Path draft = Files.createTempDirectory(directory.toAbsolutePath().getParent(), "mlflight-native");
      try {
        extract(archive, draft);
        Files.move(draft, directory, StandardCopyOption.ATOMIC_MOVE);
      } catch (IOException error) {
        delete(draft);
        // Another task may have been faster.
        if (!Files.isDirectory(directory)) {
          throw error;
        }
      }
    } catch (IOException error) {
      throw new MlflightException(
          "FAILED_PRECONDITION", "NATIVE_LIBRARY_NOT_LOADED", archive + " cannot be unpacked: " + error.getMessage(), error);
    }
    return directory;
  }

  private static void extract(Path archive, Path directory) throws IOException {
    byte[] header = new byte[BLOCK];
    boolean found = false;
    try (InputStream in = new BufferedInputStream(Files.newInputStream(archive), 1 << 16)) {
      while (read(in, header, BLOCK) && header[0] != 0) {
        String path = text(header, 0, 100);
        String name = path.substring(path.lastIndexOf('/') + 1);
        long size = Long.parseLong(text(header, 124, 12).trim(), 8);
        boolean file = header[156] == '0' || header[156] == 0;
        boolean wanted = file && (name.equals(NativeLibrary.LIBRARY) || name.equals(NativeLibrary.SERVICE));
        copy(in, size, wanted ? directory.resolve(name) : null);
        found |= wanted && name.equals(NativeLibrary.LIBRARY);
      }
    } catch (NumberFormatException error) {
      throw new IOException("it is no tar file");
    }
    if (!found) {
      throw new IOException("it holds no " + NativeLibrary.LIBRARY);
    }
  }

  private static void copy(InputStream in, long size, Path to) throws IOException {
    byte[] block = new byte[BLOCK];
    try (OutputStream out = to == null ? null : Files.newOutputStream(to)) {
      for (long left = size; left > 0; left -= BLOCK) {
        if (!read(in, block, BLOCK)) {
          throw new EOFException("it ends in the middle of a file");
        }
        if (out != null) {
          out.write(block, 0, (int) Math.min(BLOCK, left));
        }
      }
    }
    if (to != null && !to.toFile().setExecutable(true, true)) {
      throw new IOException(to + " cannot be made executable");
    }
  }

  private static boolean read(InputStream in, byte[] into, int length) throws IOException {
    int at = 0;
    while (at < length) {
      int got = in.read(into, at, length - at);
      if (got < 0) {
        return false;
      }
      at += got;
    }
    return true;
  }

  private static String text(byte[] from, int start, int length) {
    int end = start;
    while (end < start + length && from[end] != 0) {
      end++;
    }
    return new String(from, start, end - start, StandardCharsets.UTF_8);
  }

  private static void delete(Path directory) throws IOException {
    Files.deleteIfExists(directory.resolve(NativeLibrary.LIBRARY));
    Files.deleteIfExists(directory.resolve(NativeLibrary.SERVICE));
    Files.delete(directory);
  }
}
