// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.exec;

import io.mlflight.spark.library.NativeBridge;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.TaskContext;

/**
 * Carries the kill of a task into the native library, which a thread's interrupt does not reach. One daemon thread looks every
 * 100 ms and ends when there is nothing to watch, so that it keeps no class loader alive.
 */
final class CancelPoller {
  private static final long PERIOD_MS = 100;
  private static final Map<Long, TaskContext> WATCHED = new HashMap<>();
  private static boolean running;

  private CancelPoller() {}

  static synchronized void watch(long stream, TaskContext task) {
    WATCHED.put(stream, task);
    if (!running) {
      Thread thread = new Thread(CancelPoller::run, "mlflight-cancel");
      thread.setDaemon(true);
      thread.start();
      running = true;
    }
  }

  static synchronized void forget(long stream) {
    WATCHED.remove(stream);
  }

  private static void run() {
    while (cancelInterrupted()) {
      try {
        Thread.sleep(PERIOD_MS);
      } catch (InterruptedException ignored) {
        // Nobody but the JVM's end interrupts a daemon: look once more.
      }
    }
  }

  private static synchronized boolean cancelInterrupted() {
    WATCHED.forEach(
        (stream, task) -> {
          if (task.isInterrupted()) {
            NativeBridge.cancel(stream);
          }
        });
    running = !WATCHED.isEmpty();
    return running;
  }
}
