package keylane.bench;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A record's value, laid out as bench/workload/record.ts says. */
record BenchRecord(int index, int key, int sequence, int workUs) {
  static BenchRecord of(byte[] value) {
    ByteBuffer buffer = ByteBuffer.wrap(value).order(ByteOrder.LITTLE_ENDIAN);
    return new BenchRecord(buffer.getInt(0), buffer.getInt(4), buffer.getInt(8), buffer.getInt(12));
  }
}
